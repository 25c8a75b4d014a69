// SPDX-License-Identifier: MIT
//
// Rust: a child of std::process::Command does not inherit the signal mask.
//
// What happens: Command::spawn gives the child an empty mask. A program that is started with a signal blocked, as nohup(1) or a
//   supervisor may do on purpose, and which starts others, unblocks it for them.
// What should:  the child blocks what the calling thread blocks.
// Rule:         execve(2): the signal mask is preserved; std::process::Command documents no other.
// Where:        library/std/src/sys/unix/process/process_unix.rs do_exec, posix_spawn. Versions: up to 1.65.
// Upstream:     rust-lang/rust pull request 101077.
//
//   rustc rust-mask-cleared.rs && ./rust-mask-cleared
use std::mem::MaybeUninit;
use std::process::{exit, Command};

extern "C" {
    fn sigemptyset(set: *mut [u64; 16]) -> i32;
    fn sigaddset(set: *mut [u64; 16], signal: i32) -> i32;
    fn pthread_sigmask(how: i32, set: *const [u64; 16], old: *mut [u64; 16]) -> i32;
}

const SIG_BLOCK: i32 = 0;
const SIGUSR1: i32 = 10;

fn main() {
    let mut set = MaybeUninit::uninit();
    unsafe {
        sigemptyset(set.as_mut_ptr());
        sigaddset(set.as_mut_ptr(), SIGUSR1);
        pthread_sigmask(SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
    }
    let status = match Command::new("/bin/cat").arg("/proc/self/status").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(_) => exit(77),
    };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).map(|text| text.trim().to_string());
    let mask = match mask.and_then(|text| u64::from_str_radix(&text, 16).ok()) {
        Some(mask) => mask,
        None => exit(77),
    };
    let is_bug = mask >> (SIGUSR1 - 1) & 1 == 0;
    println!("{}: the caller blocks SIGUSR1, the child blocks {:#x}", if is_bug { "BUG" } else { "FIXED" }, mask);
    exit(is_bug as i32);
}
