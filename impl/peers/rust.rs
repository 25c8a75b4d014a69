// SPDX-License-Identifier: MIT
//
// Rust's std::process::Command. Stdio takes owned descriptors for 0, 1 and 2 and closes them afterwards, so each is a
// clone of the caller's (BorrowedFd::try_clone_to_owned), as a program that keeps its own would make it. It does not
// support other numbers; the child inherits all that is not close-on-exec. A dropped Child runs on, and is not reaped.
#![allow(non_camel_case_types)]

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::raw::{c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::{FromRawFd, IntoRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

#[repr(C)]
pub struct spawncheck_keep {
    source: c_int,
    target: c_int,
}

#[repr(C)]
pub struct spawncheck_request {
    size: u32,
    fd_policy: u32,
    path: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
    keep: *const spawncheck_keep,
    keep_count: u32,
    set: u32,
    mask: u64,
    dflt: u64,
    ignore: u64,
    pgroup: i32,
    cwd: *const c_char,
}

#[repr(C)]
pub struct spawncheck_result {
    pid: i32,
    pidfd: i32,
    error: i32,
}

type Spawn = unsafe extern "C" fn(*const spawncheck_request, *mut spawncheck_result) -> c_int;

#[repr(C)]
pub struct spawncheck_implementation {
    abi: u32,
    name: *const c_char,
    policies: u32,
    sets: u32,
    promises: *const c_char,
    spawn: Spawn,
}

#[repr(C)]
pub struct spawncheck_documented_limit {
    clause: *const c_char,
    says: *const c_char,
    what: *const c_char,
    source: *const c_char,
}

#[repr(C)]
pub struct spawncheck_description {
    size: u32,
    habits: u32,
    version: *const c_char,
    limits: *const spawncheck_documented_limit,
    limit_count: u32,
    prepare: Option<unsafe extern "C" fn() -> c_int>,
}

unsafe impl Sync for spawncheck_implementation {}
unsafe impl Sync for spawncheck_documented_limit {}
unsafe impl Sync for spawncheck_description {}

const DECLINED: i32 = 0x7fff_ffff;
const SET_CWD: u32 = 32;
const RESETS_SIGNALS: u32 = 8;
const HOLDS_DESCRIPTORS: u32 = 64; // during a call

macro_rules! text {
    ($s:expr) => {
        concat!($s, "\0").as_ptr() as *const c_char
    };
}

// The caller keeps its descriptor: Command gets a clone.
unsafe fn clone_of(number: c_int) -> io::Result<Stdio> {
    let borrowed = File::from_raw_fd(number);
    let clone = borrowed.try_clone();
    let _ = borrowed.into_raw_fd();
    Ok(Stdio::from(clone?))
}

unsafe fn os(text: *const c_char) -> &'static OsStr {
    OsStr::from_bytes(CStr::from_ptr(text).to_bytes())
}

unsafe fn strings(mut list: *const *const c_char) -> Vec<&'static OsStr> {
    let mut all = Vec::new();
    while !(*list).is_null() {
        all.push(os(*list));
        list = list.add(1);
    }
    all
}

unsafe fn launch(r: &spawncheck_request, keep: &[spawncheck_keep]) -> io::Result<u32> {
    let argv = strings(r.argv);
    let mut command = Command::new(os(r.path));
    command.arg0(argv[0]).args(&argv[1..]).env_clear();
    for entry in strings(r.envp) {
        let bytes = entry.as_bytes();
        let at = bytes.iter().position(|&b| b == b'=').unwrap_or(bytes.len() - 1);
        command.env(OsStr::from_bytes(&bytes[..at]), OsStr::from_bytes(&bytes[at + 1..]));
    }
    if r.set & SET_CWD != 0 {
        command.current_dir(os(r.cwd));
    }
    for k in keep {
        let stdio = clone_of(k.source)?;
        match k.target {
            0 => command.stdin(stdio),
            1 => command.stdout(stdio),
            _ => command.stderr(stdio),
        };
    }
    Ok(command.spawn()?.id())
}

// A clone of another source may get the number of a closed source.
fn is_open(number: c_int) -> bool {
    const F_GETFD: c_int = 1;
    unsafe {
        let saved = *__errno_location();
        let flags = fcntl(number, F_GETFD);
        *__errno_location() = saved;
        flags >= 0
    }
}

fn can_say(keep: &[spawncheck_keep]) -> bool {
    keep.iter().enumerate().all(|(i, k)| {
        k.source >= 0 && is_open(k.source) && (0..3).contains(&k.target) && keep[..i].iter().all(|other| other.target != k.target)
    })
}

unsafe extern "C" fn spawn(request: *const spawncheck_request, result: *mut spawncheck_result) -> c_int {
    let r = &*request;
    let keep = if r.keep_count == 0 { &[] } else { std::slice::from_raw_parts(r.keep, r.keep_count as usize) };
    let (pid, error) = if !can_say(keep) {
        (-1, DECLINED)
    } else {
        let errno = __errno_location();
        let saved = *errno;
        let outcome = match launch(r, keep) {
            Ok(pid) => (pid as i32, 0),
            Err(e) => (-1, e.raw_os_error().unwrap_or(22)),
        };
        *errno = saved;
        outcome
    };
    *result = spawncheck_result { pid, pidfd: -1, error };
    error
}

extern "C" {
    fn __errno_location() -> *mut c_int;
    fn fcntl(number: c_int, command: c_int, ...) -> c_int;
}

static IMPLEMENTATION: spawncheck_implementation =
    spawncheck_implementation { abi: 1, name: text!("rust"), policies: 3, sets: SET_CWD, promises: text!(""), spawn };

#[no_mangle]
pub extern "C" fn spawncheck_implementation_v1() -> *const spawncheck_implementation {
    &IMPLEMENTATION
}

static LIMITS: [spawncheck_documented_limit; 6] = [
    spawncheck_documented_limit {
        clause: text!("fd.untouched"),
        says: text!(" gave "),
        what: text!("the clones, and the error pipe, take numbers of the caller's table"),
        source: text!("std::fs::File::try_clone; library/std/src/sys/unix/process/process_unix.rs"),
    },
    spawncheck_documented_limit {
        clause: text!("fd.untouched"),
        says: text!("the child"),
        what: text!("likewise"),
        source: text!("likewise"),
    },
    spawncheck_documented_limit {
        clause: text!("fd.untouched"),
        says: text!("failed with"),
        what: text!("likewise"),
        source: text!("likewise"),
    },
    spawncheck_documented_limit {
        clause: text!("proc.child"),
        says: text!("string of the environment"),
        what: text!("the environment is a map: its strings arrive in order of their names"),
        source: text!("std::process::Command::get_envs"),
    },
    spawncheck_documented_limit {
        clause: text!("sig.disposition"),
        says: text!(" 32 33"),
        what: text!("the child starts with signals 32 and 33 ignored, where posix_spawn(3) is taken"),
        source: text!("glibc sysdeps/unix/sysv/linux/spawni.c __spawni_child"),
    },
    spawncheck_documented_limit {
        clause: text!("sig.mask"),
        says: text!("only 32 to 34 differ"),
        what: text!("glibc's posix_spawn takes 32 and 33 out of every mask"),
        source: text!("glibc sysdeps/unix/sysv/linux/internal-signals.h"),
    },
];

static DESCRIPTION: spawncheck_description = spawncheck_description {
    size: std::mem::size_of::<spawncheck_description>() as u32,
    habits: RESETS_SIGNALS | HOLDS_DESCRIPTORS, // SIGPIPE
    version: concat!(env!("SPAWNCHECK_RUSTC_VERSION"), "\0").as_ptr() as *const c_char,
    limits: LIMITS.as_ptr(),
    limit_count: LIMITS.len() as u32,
    prepare: None,
};

#[no_mangle]
pub extern "C" fn spawncheck_description_v1() -> *const spawncheck_description {
    &DESCRIPTION
}
