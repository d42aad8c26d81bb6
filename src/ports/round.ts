/** The tasks of one round, as `Scheduler.soon` promises them: what is the same on every host. */
export class Round {
  #tasks: (() => void)[] = [];

  /** True for the first task of a round: the host is to call `run` soon. */
  add(task: () => void): boolean {
    return this.#tasks.push(task) === 1;
  }

  /** Runs all, those added meanwhile too. One that throws keeps none of the others from running; what it threw is thrown at the end. */
  run(): void {
    let failures: unknown[] | undefined;
    for (let i = 0; i < this.#tasks.length; i++) {
      try {
        this.#tasks[i]!();
      } catch (error) {
        failures ??= [];
        failures.push(error);
      }
    }
    this.#tasks = [];
    if (failures !== undefined) throw failures[0];
  }
}
