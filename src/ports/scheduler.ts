/**
 * When the broker gets to run without input. A host with a single alarm (a Durable Object) can keep this promise: the
 * broker multiplexes everything that is due onto it.
 */
export interface Scheduler {
  /** Names what runs at a wake. Called once, before any other method. */
  onWake(wake: () => void): void;

  /** Asks for one wake at a wall-clock time; replaces what was asked before. It may come late, early, and twice. */
  wakeAt(atMs: number): void;

  /**
   * Runs `task` once the input that has arrived together has been handed over: what makes a group of a group commit, and
   * one write of many responses. Tasks run in order; a task added by a task runs in the same round.
   */
  soon(task: () => void): void;
}
