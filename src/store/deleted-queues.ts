import { deletedTopicsMax } from "../limits.ts";
import { type ConfigFile, type ConfigValue, otherMembers, tableIn } from "./config-file.ts";

export const deletedQueuesFile = "deletedQueues.json";

const tableMember = "deletedTable";

/**
 * Topics whose queues were taken away, while their messages stay in the CommitLog until its files go: of those, recovery must not make the
 * queues anew. Apache's does, and leaves them to whoever makes the topic again; it knows nothing of this file, `config/deletedQueues.json`:
 *
 *     {"deletedTable": {topic: offset in the CommitLog before which all of its messages are deleted}}
 */
export class DeletedQueues {
  readonly #file: ConfigFile;
  readonly #ends = new Map<string, number>();
  #others: ConfigValue = {};

  constructor(file: ConfigFile) {
    this.#file = file;
  }

  /** Rejects as `ConfigFile.load` does. */
  async load(): Promise<void> {
    const saved = await this.#file.load((value) => void tableIn(value, tableMember));
    this.#others = otherMembers(saved, tableMember);
    for (const [topic, end] of saved === undefined ? [] : Object.entries(tableIn(saved, tableMember))) {
      if (typeof end === "number" && end > 0) this.#ends.set(topic, end);
    }
  }

  /** Whether the message at an offset of the CommitLog was deleted with its topic. */
  has(topic: string, physicalOffset: number): boolean {
    return this.#ends.size > 0 && physicalOffset < (this.#ends.get(topic) ?? 0);
  }

  /** The log ends here: what comes next is of topics made anew, though ends that were noted lie behind it. Rejects as a file does. */
  async cutTo(logEnd: number): Promise<void> {
    let isChanged = false;
    for (const [topic, end] of this.#ends) {
      if (end <= logEnd) continue;
      this.#ends.set(topic, logEnd);
      isChanged = true;
    }
    if (isChanged) await this.#save();
  }

  #save(): Promise<void> {
    return this.#file.save(() => ({ ...this.#others, [tableMember]: Object.fromEntries(this.#ends) }));
  }

  /**
   * The messages of a topic before `end` are deleted; ends when that is kept. Topics whose messages all went with their files, before
   * `logMin`, are left out. Rejects as a file does.
   */
  async add(topic: string, end: number, logMin: number): Promise<void> {
    this.#ends.delete(topic);
    this.#ends.set(topic, end);
    for (const [each, until] of this.#ends) {
      if (until <= logMin || this.#ends.size > deletedTopicsMax) this.#ends.delete(each);
    }
    await this.#save();
  }
}
