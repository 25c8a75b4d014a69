#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# CPython: a Popen that fails for lack of descriptors leaves its error pipe open.
#
# What happens: where the write end of the error pipe gets a number below 3, Popen duplicates it. Where no number is free,
#   os.dup raises EMFILE outside of the block whose "finally" closes the pipe: both ends stay open, and nobody has them.
# What should:  an OSError, and the descriptors that were open before.
# Rule:         Popen that raises has started nothing, and holds nothing: what it opened is closed.
# Where:        Lib/subprocess.py Popen._execute_child: errpipe_write, low_fds_to_close. Seen with 3.11.2.
# Upstream:     none found; issue 87474 is about the other pipes of the same call.
#
#   python3 python-error-pipe-leaked.py
import os
import platform
import resource
import sys
import subprocess


def numbers():
    """The numbers that are open, among those that the limit allows."""
    result = []
    for number in range(8):
        try:
            os.fstat(number)
            result.append(number)
        except OSError:
            pass
    return result


tell = os.dup(1)  # standard output, where the table is full
if tell >= 8:
    sys.exit(77)
os.close(0)
os.close(1)
os.close(2)
os.open(os.devnull, os.O_RDONLY)  # 0: the pipe is to get 1 and 2
resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
before = numbers()
try:
    subprocess.Popen(["/bin/true"], close_fds=True).wait()
    os._exit(77)
except OSError as error:
    name = error.strerror
left = [number for number in numbers() if number not in before]
text = f"{'BUG' if left else 'FIXED'}: CPython {platform.python_version()}, no number free above 2: Popen raised \"{name}\", and left {left} open\n"
os.write(tell, text.encode())
os._exit(1 if left else 0)
