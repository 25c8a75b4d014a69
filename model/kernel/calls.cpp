// SPDX-License-Identifier: MIT
//
// THE tables: a system call is the list of its steps; an operation of the scenario that makes several calls is the list
// of all their steps. One row is what the kernel does at one instant; before each row any other task may act. Each row
// is a step of its own because another task can tell: the limit is read before the lock is taken, a number is reserved
// before it is installed, a file is looked up before the call uses it.
#include <iterator>

#include "model/kernel/families.h"

namespace spawncheck::model {

namespace {

constexpr Lock no = Lock::untaken, table_lock = Lock::table;

constexpr StepRow limit_row = {read_limit, no, "fs/file.c get_unused_fd_flags: rlimit(RLIMIT_NOFILE)", nullptr, true};

// memfd_create, openat, eventfd2, mq_open: the number first, then the file.
constexpr StepRow create[] = {
    limit_row, {reserve_first, table_lock, "fs/file.c alloc_fd"}, {install_new, no, "fs/file.c fd_install"}};

// pipe2, socketpair: both numbers, then both files; if there is no second number, the first is given back.
constexpr StepRow create_pair[] = {
    limit_row,
    {reserve_first, table_lock, "fs/pipe.c __do_pipe_flags, net/socket.c __sys_socketpair"},
    limit_row,
    {reserve_second, table_lock, "fs/file.c alloc_fd"},
    {install_new_first, no, "fs/file.c fd_install"},
    {install_new_second, no, "fs/file.c fd_install"},
    {give_back_first, table_lock, "fs/file.c put_unused_fd"}};

// If a signal ends the sleep, the number is given back and the call is made again.
constexpr StepRow open_fifo[] = {limit_row,
                                 {reserve_first, table_lock, "fs/open.c do_sys_openat2"},
                                 {arrive_at_fifo, no, "fs/pipe.c fifo_open"},
                                 {wait_for_partner, no, "fs/pipe.c wait_for_partner", fifo_outcomes},
                                 {install_held, no, "fs/file.c fd_install"},
                                 {give_back_first, table_lock, "fs/file.c put_unused_fd"}};

constexpr StepRow open_program[] = {
    limit_row,
    {reserve_first, table_lock, "fs/open.c do_sys_openat2"},
    {open_executable, no, "fs/open.c do_dentry_open: get_write_access", program_outcomes},
    {install_held, no, "fs/file.c fd_install"},
    {give_back_first, table_lock, "fs/file.c put_unused_fd"}};

// Three calls by number, and a fourth if the second or third fails: each acts on whatever file another thread has put
// at the number meanwhile.
constexpr StepRow listen[] = {
    limit_row,
    {reserve_first, table_lock, "net/socket.c __sys_socket: sock_map_fd"},
    {install_socket, no, "fs/file.c fd_install"},
    {look_up_socket, no, "net/socket.c __sys_bind: sockfd_lookup_light"},
    {bind_socket, no, "net/ipv4/af_inet.c __inet_bind, net/ipv4/inet_connection_sock.c inet_csk_get_port",
     bind_outcomes},
    {look_up_socket, no, "net/socket.c __sys_listen: sockfd_lookup_light"},
    {listen_on_socket, no, "net/ipv4/af_inet.c inet_listen", listen_outcomes},
    {close_socket, table_lock, "fs/file.c file_close_fd"},
    {release_closed, no, "fs/open.c close: filp_flush, fput_close_sync"}};

constexpr StepRow flock[] = {{look_up, no, "fs/locks.c flock: fdget"},
                             {take_lock, no, "fs/locks.c flock_lock_inode", flock_outcomes}};

constexpr StepRow dup[] = {{look_up, no, "fs/file.c dup: fget_raw"},
                           limit_row,
                           {reserve_from_bound, table_lock, "fs/file.c alloc_fd"},
                           {install_held, no, "fs/file.c fd_install"}};

constexpr StepRow dupfd[] = {{look_up, no, "fs/fcntl.c fcntl: fdget_raw"},
                             {read_limit_above_bound, no, "fs/file.c f_dupfd: rlimit(RLIMIT_NOFILE)", nullptr, true},
                             {reserve_from_bound, table_lock, "fs/file.c alloc_fd"},
                             {install_held, no, "fs/file.c fd_install"}};

constexpr StepRow fetch[] = {{look_up_in_parent, no, "kernel/pid.c __pidfd_fget"},
                             limit_row,
                             {reserve_from_bound, table_lock, "fs/file.c receive_fd: alloc_fd"},
                             {install_held, no, "fs/file.c fd_install"}};

constexpr StepRow dup3[] = {
    {check_target, no, "fs/file.c ksys_dup3: rlimit(RLIMIT_NOFILE), before the lock", nullptr, true},
    {replace, table_lock, "fs/file.c do_dup2"},
    {release_replaced, no, "fs/file.c do_dup2: filp_close"}};

constexpr StepRow getfd[] = {{look_up, no, "fs/fcntl.c fcntl: fdget_raw"},
                             {read_flag, no, "fs/file.c get_close_on_exec"}};

constexpr StepRow setfd[] = {{look_up, no, "fs/fcntl.c fcntl: fdget_raw"},
                             {write_flag, table_lock, "fs/file.c set_close_on_exec"}};

constexpr StepRow close[] = {{free_number, table_lock, "fs/file.c file_close_fd"},
                             {release_closed, no, "fs/open.c close: filp_flush, fput_close_sync"}};

constexpr StepRow close_range[] = {{step_close_range, table_lock, "fs/file.c __close_range", close_range_outcomes}};
constexpr StepRow close_each[] = {{step_close_each, table_lock, "fs/file.c file_close_fd, once a number"}};
constexpr StepRow close_but[] = {{step_close_but, table_lock, "no kernel's"}};
constexpr StepRow sweep_cloexec[] = {{step_sweep_cloexec, table_lock, "fs/file.c file_close_fd, once a number"}};
constexpr StepRow unshare_files[] = {{step_unshare_files, table_lock, "kernel/fork.c ksys_unshare"}};
constexpr StepRow limit[] = {{step_limit, no, "kernel/sys.c do_prlimit"}};

constexpr StepRow mask[] = {{step_mask, no, "kernel/signal.c sigprocmask"}};
constexpr StepRow disposition[] = {{step_disposition, no, "kernel/signal.c do_sigaction"}};
constexpr StepRow dispositions[] = {{step_dispositions, no, "kernel/signal.c do_sigaction, once a signal"}};
constexpr StepRow kill[] = {{step_kill, no, "kernel/signal.c kill_pid_info"}};
constexpr StepRow kill_group[] = {{step_kill_group, no, "kernel/signal.c __kill_pgrp_info"}};
constexpr StepRow tgkill[] = {{step_tgkill, no, "kernel/signal.c do_send_specific"}};
constexpr StepRow altstack[] = {{step_altstack, no, "kernel/signal.c do_sigaltstack"}};

constexpr StepRow store[] = {{step_store, no, "memory"}};
constexpr StepRow load[] = {{step_load, no, "memory"}};
constexpr StepRow setsid[] = {{step_setsid, no, "kernel/sys.c ksys_setsid"}};
constexpr StepRow setpgid[] = {{step_setpgid, no, "kernel/sys.c setpgid"}};
constexpr StepRow umask[] = {{step_umask, no, "kernel/sys.c umask"}};
constexpr StepRow chdir[] = {{step_chdir, no, "fs/open.c chdir"}};
constexpr StepRow clone[] = {{step_clone, table_lock, "kernel/fork.c copy_process"}};
constexpr StepRow exec[] = {{step_exec, table_lock, "fs/exec.c begin_new_exec", exec_outcomes}};
constexpr StepRow exit[] = {{step_exit, table_lock, "kernel/exit.c do_exit"}};
constexpr StepRow wait[] = {{step_wait, no, "kernel/exit.c wait_consider_task"}};

constexpr std::span<const StepRow> tables[] = {
#define SPAWNCHECK_ROW(id, fields) id,
    SPAWNCHECK_CALLS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

}  // namespace

std::span<const StepRow> rows_of(CallKind kind) { return tables[static_cast<std::size_t>(kind)]; }

std::uint8_t row_of(const InFlightCall& flight, decltype(StepRow::make) make) {
  const auto rows = rows_of(static_cast<CallKind>(flight.call.kind));
  std::uint8_t row = 0;
  while (row < rows.size() && rows[row].make != make) ++row;
  return row;
}

}  // namespace spawncheck::model
