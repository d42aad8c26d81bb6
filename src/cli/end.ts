/** What is still to be written to a pipe gets this long. */
const graceMs = 500;

/**
 * Sees to it that the process ends soon, with code 1, whatever hangs in it: its own end waits for all calls in Node's thread pool, and a
 * sync on a dead disk never returns.
 */
export function endSoon(): void {
  setTimeout(() => {
    // Another program takes the process over, with all that hangs in it, and ends; what can't do that is killed.
    process.execve?.(process.execPath, [process.execPath, "-e", "process.exit(1)"], process.env);
    process.kill(process.pid, "SIGKILL");
  }, graceMs).unref();
}
