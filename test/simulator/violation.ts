/** What a checker holds against the store. */
export class Violation extends Error {
  /** Which promise is broken, e.g. "acked-lost". */
  readonly checker: string;

  constructor(checker: string, message: string) {
    super(`${checker}: ${message}`);
    this.name = "Violation";
    this.checker = checker;
  }
}
