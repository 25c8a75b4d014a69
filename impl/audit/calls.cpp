// SPDX-License-Identifier: MIT
#include "impl/audit/calls.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

namespace spawncheck::audit {

namespace {

constexpr std::uint64_t fd_cloexec_bit =
    1;                                     // FAN_CLOEXEC, MFD_CLOEXEC, FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC, FSPICK_CLOEXEC
constexpr std::uint64_t perf_cloexec = 8;  // PERF_FLAG_FD_CLOEXEC

constexpr CallRow rows[] = {
#ifdef SYS_open
    {SYS_open, "open", Act::open, What::file, 1, O_CLOEXEC, 0},
    {SYS_creat, "creat", Act::open, What::file, -1, 0, 0},
    {SYS_pipe, "pipe", Act::pair, What::pipe, -1, 0, 0},
    {SYS_dup2, "dup2", Act::duplicate_to},
    {SYS_epoll_create, "epoll_create", Act::create, What::epoll},
    {SYS_eventfd, "eventfd", Act::create, What::eventfd},
    {SYS_signalfd, "signalfd", Act::create, What::signalfd},
    {SYS_inotify_init, "inotify_init", Act::create, What::inotify},
    {SYS_fork, "fork", Act::clone},
    {SYS_vfork, "vfork", Act::clone},
#endif
    {SYS_openat, "openat", Act::open, What::file, 2, O_CLOEXEC, 1},
    {SYS_openat2, "openat2", Act::open, What::file, -1, 0, 1},  // its flags are in memory
    {SYS_open_by_handle_at, "open_by_handle_at", Act::create, What::file, 2, O_CLOEXEC},
    {SYS_dup, "dup", Act::duplicate},
    {SYS_dup3, "dup3", Act::duplicate_to, What::unknown, 2, O_CLOEXEC},
    {SYS_fcntl, "fcntl", Act::fcntl},
    {SYS_ioctl, "ioctl", Act::ioctl},
    {SYS_pipe2, "pipe2", Act::pair, What::pipe, 1, O_CLOEXEC, 0},
    {SYS_socket, "socket", Act::create, What::socket, 1, SOCK_CLOEXEC},
    {SYS_socketpair, "socketpair", Act::pair, What::socket, 1, SOCK_CLOEXEC, 3},
    {SYS_accept, "accept", Act::create, What::socket},
    {SYS_accept4, "accept4", Act::create, What::socket, 3, SOCK_CLOEXEC},
    {SYS_epoll_create1, "epoll_create1", Act::create, What::epoll, 0, EPOLL_CLOEXEC},
    {SYS_eventfd2, "eventfd2", Act::create, What::eventfd, 1, EFD_CLOEXEC},
    {SYS_signalfd4, "signalfd4", Act::create, What::signalfd, 3, SFD_CLOEXEC},
    {SYS_timerfd_create, "timerfd_create", Act::create, What::timerfd, 1, TFD_CLOEXEC},
    {SYS_inotify_init1, "inotify_init1", Act::create, What::inotify, 0, IN_CLOEXEC},
    {SYS_fanotify_init, "fanotify_init", Act::create, What::inotify, 0, fd_cloexec_bit},
    {SYS_memfd_create, "memfd_create", Act::create, What::memfd, 1, fd_cloexec_bit},
#ifdef SYS_memfd_secret
    {SYS_memfd_secret, "memfd_secret", Act::create, What::memfd, 0, O_CLOEXEC},
#endif
    {SYS_pidfd_open, "pidfd_open", Act::create, What::pidfd, -1, always_cloexec},
    {SYS_pidfd_getfd, "pidfd_getfd", Act::create, What::other, -1, always_cloexec},
    {SYS_perf_event_open, "perf_event_open", Act::create, What::other, 4, perf_cloexec},
    {SYS_userfaultfd, "userfaultfd", Act::create, What::other, 0, O_CLOEXEC},
    {SYS_io_uring_setup, "io_uring_setup", Act::create, What::io_uring, -1, always_cloexec},
    {SYS_mq_open, "mq_open", Act::create, What::other, -1, always_cloexec},
    {SYS_open_tree, "open_tree", Act::create, What::other, 2, O_CLOEXEC},
    {SYS_fsopen, "fsopen", Act::create, What::other, 1, fd_cloexec_bit},
    {SYS_fsmount, "fsmount", Act::create, What::other, 1, fd_cloexec_bit},
    {SYS_fspick, "fspick", Act::create, What::other, 2, fd_cloexec_bit},
    {SYS_bpf, "bpf", Act::create, What::other, -1, always_cloexec},
    {SYS_close, "close", Act::close},
    {SYS_close_range, "close_range", Act::close_range},
    {SYS_unshare, "unshare", Act::unshare},
    {SYS_clone, "clone", Act::clone},
    {SYS_clone3, "clone3", Act::clone3},
    {SYS_execve, "execve", Act::exec, What::unknown, -1, 0, 0},
    {SYS_execveat, "execveat", Act::exec, What::unknown, -1, 0, 1},
    {SYS_recvmsg, "recvmsg", Act::receive, What::other, 2, MSG_CMSG_CLOEXEC},
    // Calls that order threads.
    {SYS_futex, "futex", Act::futex, What::unknown, -1, 0, -1, true},
    {SYS_read, "read", Act::read, What::unknown, -1, 0, -1, true},
    {SYS_readv, "readv", Act::read, What::unknown, -1, 0, -1, true},
    {SYS_recvfrom, "recvfrom", Act::read, What::unknown, -1, 0, -1, true},
    {SYS_write, "write", Act::write, What::unknown, -1, 0, -1, true},
    {SYS_writev, "writev", Act::write, What::unknown, -1, 0, -1, true},
    {SYS_sendto, "sendto", Act::write, What::unknown, -1, 0, -1, true},
    {SYS_sendmsg, "sendmsg", Act::write, What::unknown, -1, 0, -1, true},
    {SYS_wait4, "wait4", Act::wait, What::unknown, -1, 0, -1, true},
    {SYS_waitid, "waitid", Act::wait, What::unknown, -1, 0, -1, true},
    {SYS_kill, "kill", Act::kill, What::unknown, -1, 0, 0, true},
    {SYS_tkill, "tkill", Act::kill, What::unknown, -1, 0, 0, true},
    {SYS_tgkill, "tgkill", Act::kill, What::unknown, -1, 0, 0, true},
    {SYS_rt_sigqueueinfo, "rt_sigqueueinfo", Act::kill, What::unknown, -1, 0, 0, true},
    {SYS_rt_tgsigqueueinfo, "rt_tgsigqueueinfo", Act::kill, What::unknown, -1, 0, 0, true},
    {SYS_pidfd_send_signal, "pidfd_send_signal", Act::kill, What::unknown, -1, 0, -1, true},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait", Act::take_signal, What::unknown, -1, 0, -1, true},
    {SYS_flock, "flock", Act::lock, What::unknown, -1, 0, -1, true},
};

}  // namespace

std::span<const CallRow> calls() { return rows; }

bool asks_cloexec(const CallRow& row, const std::uint64_t (&arguments)[6]) {
  if (row.cloexec == always_cloexec) return true;
  return row.flags_argument >= 0 && (arguments[row.flags_argument] & row.cloexec) != 0;
}

}  // namespace spawncheck::audit
