// SPDX-License-Identifier: MIT
//
// Rust: a program that was just written cannot be started, because another thread starts one.
//
// What happens: a thread writes an executable file, closes it and starts it, as build tools do. Between the clone and the exec of
//   another thread's Command the new process still has the file open for writing: ETXTBSY.
// What should:  Command::spawn succeeds: the thread has closed its file.
// Rule:         execve(2), ETXTBSY: "The specified executable was open for writing by one or more processes".
// Where:        library/std process_unix.rs: nothing holds starts off while a file is open for writing. Versions: 1.63 to date.
// Upstream:     rust-lang/rust issue 114554; open.
//
//   rustc rust-text-file-busy.rs && ./rust-text-file-busy
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{exit, Command};
use std::sync::atomic::{AtomicU32, Ordering};

const THREADS: usize = 4;
const TRIES: usize = 1500;
const ETXTBSY: i32 = 26;

static BUSY: AtomicU32 = AtomicU32::new(0);
static MADE: AtomicU32 = AtomicU32::new(0);

fn write_and_start(directory: &str, thread: usize) {
    let content = fs::read("/bin/true").unwrap_or_else(|_| exit(77));
    for i in 0..TRIES {
        if BUSY.load(Ordering::Relaxed) > 0 {
            return;
        }
        let path = format!("{}/{}-{}", directory, thread, i);
        fs::write(&path, &content).unwrap_or_else(|_| exit(77));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap_or_else(|_| exit(77));
        match Command::new(&path).spawn() {
            Ok(mut child) => drop(child.wait()),
            Err(e) if e.raw_os_error() == Some(ETXTBSY) => drop(BUSY.fetch_add(1, Ordering::Relaxed)),
            Err(_) => exit(77),
        }
        MADE.fetch_add(1, Ordering::Relaxed);
        let _ = fs::remove_file(&path);
    }
}

fn main() {
    let directory = format!("{}/rust-text-file-busy-{}", std::env::temp_dir().display(), std::process::id());
    fs::create_dir(&directory).unwrap_or_else(|_| exit(77));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let directory = directory.clone();
            std::thread::spawn(move || write_and_start(&directory, thread))
        })
        .collect();
    for thread in threads {
        let _ = thread.join();
    }
    let _ = fs::remove_dir_all(&directory);
    let (busy, made) = (BUSY.load(Ordering::Relaxed), MADE.load(Ordering::Relaxed));
    if busy == 0 {
        println!("undecided: {} programs were written and started, none was busy", made);
        exit(77);
    }
    println!("BUG: of {} programs that were written and started {} were busy", made, busy);
    exit(1);
}
