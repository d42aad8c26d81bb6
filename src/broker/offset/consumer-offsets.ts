import { youngQueueBytesMax } from "../../limits.ts";
import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { type ConfigFile, type ConfigValue, isObject, otherMembers, tableIn } from "../../store/config-file.ts";
import type { Store } from "../../store/store.ts";
import { type DataVersion, firstVersion, nextVersion, readVersion } from "../data-version.ts";
import { hasQueue, queueTypeAttribute } from "../topic/topic-config.ts";
import type { Topics } from "../topic/topics.ts";

const separator = "@";
const tableMember = "offsetTable";

/** Apache writes these out of the others, and never reads them; or they are of light queues, in a file of their own. */
const derivedMembers = ["groupTopicMap", "pullOffsetTable", "lmqOffsetTable"];

/** So many commits make another version of the table (BrokerConfig.consumerOffsetUpdateVersionStep). */
const commitsOfVersion = 500;

/** How far each group has consumed each queue, kept in consumerOffset.json (ConsumerOffsetManager). */
export class ConsumerOffsets {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #file: ConfigFile;
  /** What Apache keeps in place of consumerOffset.json with enableLmq; never written here. */
  readonly #lmqFile: ConfigFile;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  /** Members of consumerOffset.json of another broker's version, written again as they came. */
  #others: ConfigValue = {};
  /** `topic@group` to queue id to the next offset to consume. */
  readonly #table = new Map<string, Map<number, number>>();
  /**
   * Offsets that an administrator has set and the group has not heard of, by the same keys: what members commit meanwhile is of before.
   * Of queues in `#table` alone. A crash forgets them: the group then goes on where it was set to, or where its members say.
   */
  readonly #resets = new Map<string, Map<number, number>>();
  /** `topic@queueId` of queues that had lost their ends at the start, groups having consumed what stood there: where they ended then. */
  readonly #lostEnds = new Map<string, number>();
  #version: DataVersion;
  readonly #offsetsMax: number;
  #count = 0;
  #commits = 0;
  readonly #changed: () => void;
  #dirty = false;

  /** `offsetsMax`: MemoryBudget.consumerOffsetsMax. `changed` is told that there is something to persist. */
  constructor(
    store: Store,
    topics: Topics,
    { file, lmqFile }: { readonly file: ConfigFile; readonly lmqFile: ConfigFile },
    { clock, telemetry }: { readonly clock: Clock; readonly telemetry: Telemetry },
    offsetsMax: number,
    changed: () => void,
  ) {
    this.#offsetsMax = offsetsMax;
    this.#store = store;
    this.#topics = topics;
    this.#file = file;
    this.#lmqFile = lmqFile;
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#changed = changed;
    this.#version = firstVersion(clock);
  }

  /**
   * Reads consumerOffset.json. An offset behind a queue's end is doubtful: bits of the file are flipped, or the end of the log is lost.
   * Left as it is, its group would never get the messages that come to stand before it.
   */
  async load(): Promise<void> {
    const check = (value: ConfigValue): string | undefined => {
      const [first] = this.#beyondEnd(tableIn(value, tableMember));
      if (first === undefined) return undefined;
      return `the offset ${first.offset} of ${first.key}, queue ${first.queueId}, is behind the queue's end ${first.end}`;
    };
    let saved = await this.#file.load(check);
    if (saved === undefined) {
      saved = await this.#lmqFile.load(check);
      if (saved !== undefined) this.#telemetry.log("info", "offsets of consumers are those of lmqConsumerOffset.json");
    }
    this.#version = readVersion(saved?.["dataVersion"], this.#clock);
    this.#others = otherMembers(saved, "dataVersion", tableMember, ...derivedMembers);
    const table = saved === undefined ? {} : tableIn(saved, tableMember);
    for (const { key, queueId, offset } of offsetsIn(table)) this.#set(key, queueId, offset);
    let lowered = 0;
    for (const { key, topic, queueId, end } of this.#beyondEnd(table)) {
      this.#set(key, queueId, end);
      this.#lostEnds.set(topic + separator + queueId, end);
      lowered++;
    }
    if (lowered > 0) {
      this.#telemetry.log(
        "warn",
        "offsets of consumers were behind the ends of their queues: they are set to the ends",
        {
          offsets: lowered,
        },
      );
    }
    this.#dirty = lowered > 0;
    if (this.#dirty) this.#changed();
  }

  /** Of queues that have messages here, or could have: of light ones and of those of batches nothing is known. */
  *#beyondEnd(
    table: ConfigValue,
  ): Generator<{ key: string; topic: string; queueId: number; offset: number; end: number }> {
    for (const { key, queueId, offset } of offsetsIn(table)) {
      const topic = key.slice(0, Math.max(0, key.lastIndexOf(separator)));
      const end = this.#store.range(topic, queueId).maxOffset;
      if (offset <= end) continue;
      const config = this.#topics.find(topic)?.config;
      const isKnown = end > 0 || (config !== undefined && config.attributes[queueTypeAttribute] !== "BatchCQ");
      if (isKnown) yield { key, topic, queueId, offset, end };
    }
  }

  /**
   * Where who asks for what lies behind a queue's end, `maxOffset`, is to go on. Apache sends everybody to the end of now. Where an end was
   * lost, a consumer that was there before the start would pass over what has come to stand where it had been already.
   */
  endOf(topic: string, queueId: number, maxOffset: number): number {
    return this.#lostEnds.get(topic + separator + queueId) ?? maxOffset;
  }

  /** Writes the file if anything changed since it was written. Ends when all that was committed before is kept. */
  async persist(): Promise<void> {
    if (!this.#dirty) return this.#file.settled();
    this.#dirty = false;
    try {
      await this.#file.save(() => ({
        ...this.#others,
        dataVersion: this.#version,
        [tableMember]: Object.fromEntries([...this.#table].map(([key, queues]) => [key, Object.fromEntries(queues)])),
      }));
    } catch (error) {
      this.#dirty = true;
      throw error;
    }
  }

  /**
   * Throws SYSTEM_ERROR for a queue more than offsets are kept of. What was consumed before a queue's end was lost says nothing of what
   * stands there now: left alone.
   */
  commit(group: string, topic: string, queueId: number, offset: number): void {
    if (this.#count >= this.#offsetsMax && this.find(group, topic, queueId) === undefined) {
      throw new WasmqError("SYSTEM_ERROR", `the broker keeps its ${this.#offsetsMax} offsets, no more are taken`);
    }
    const isOfLost = this.#lostEnds.size > 0 && this.#lostEnds.has(topic + separator + queueId);
    if (isOfLost && offset > this.#store.range(topic, queueId).maxOffset) return;
    this.#set(topic + separator + group, queueId, offset);
    if (++this.#commits % commitsOfVersion === 0) this.#version = nextVersion(this.#version, this.#clock);
  }

  find(group: string, topic: string, queueId: number): number | undefined {
    return this.#table.get(topic + separator + group)?.get(queueId);
  }

  /** Where a group goes on in the queues of a topic, by queue. */
  of(group: string, topic: string): ReadonlyMap<number, number> | undefined {
    return this.#table.get(topic + separator + group);
  }

  /** The topics that a group has offsets in (whichTopicByConsumer). */
  topicsOf(group: string): string[] {
    return this.#keys()
      .filter((key) => key.group === group)
      .map(({ topic }) => topic);
  }

  /** The groups that have offsets in a topic (whichGroupByTopic). */
  groupsOf(topic: string): string[] {
    return this.#keys()
      .filter((key) => key.topic === topic)
      .map(({ group }) => group);
  }

  /** By group: the topics that it has offsets in. */
  topicsByGroup(): Map<string, string[]> {
    const found = new Map<string, string[]>();
    for (const { topic, group } of this.#keys()) {
      const topics = found.get(group);
      if (topics === undefined) found.set(group, [topic]);
      else topics.push(topic);
    }
    return found;
  }

  /** Tells one state of the table from another. */
  get version(): DataVersion {
    return this.#version;
  }

  /** All offsets, by `topic@group` and queue. */
  all(): ReadonlyMap<string, ReadonlyMap<number, number>> {
    return this.#table;
  }

  /** A group goes on in a topic where another one does (cloneOffset). Throws as `commit` does. */
  clone(fromGroup: string, toGroup: string, topic: string): void {
    for (const [queueId, offset] of this.of(fromGroup, topic) ?? []) this.commit(toGroup, topic, queueId, offset);
  }

  /** Forgets all offsets of a group (removeOffset). */
  forgetGroup(group: string): void {
    this.#forget((key) => key.group === group);
  }

  /** Forgets all offsets in a topic (cleanOffsetByTopic). */
  forgetTopic(topic: string): void {
    this.#forget((key) => key.topic === topic);
  }

  /**
   * A group is to go on elsewhere (assignResetOffset): told so when a member pulls, and until then what members commit is not taken. Throws as
   * `commit` does.
   */
  reset(group: string, topic: string, queueId: number, offset: number): void {
    this.commit(group, topic, queueId, offset);
    const key = topic + separator + group;
    this.#resets.set(key, (this.#resets.get(key) ?? new Map<number, number>()).set(queueId, offset));
  }

  /** Whether the group has yet to hear of a reset (hasOffsetReset). */
  hasReset(group: string, topic: string, queueId: number): boolean {
    return this.#resets.size > 0 && this.#resets.get(topic + separator + group)?.has(queueId) === true;
  }

  /** The group hears of it: where it goes on, or undefined if nothing was reset (queryThenEraseResetOffset). */
  takeReset(group: string, topic: string, queueId: number): number | undefined {
    if (this.#resets.size === 0) return undefined;
    const key = topic + separator + group;
    const resets = this.#resets.get(key);
    const offset = resets?.get(queueId);
    if (resets?.delete(queueId) === true && resets.size === 0) this.#resets.delete(key);
    return offset;
  }

  /**
   * Where a group goes on, or begins (ConsumerManageProcessor.queryConsumerOffset). A group without an offset begins at 0 of
   * a young queue whatever it asked for, and of one of the topic never written: told "not found" the client would ask for the end, and
   * skip what arrives in between. Throws QUERY_NOT_FOUND for all other groups without an offset, and for each where the one who asks wants to
   * know (`zeroIfNotFound` is false).
   */
  async query(group: string, topic: string, queueId: number, zeroIfNotFound: boolean | undefined): Promise<number> {
    const known = this.find(group, topic, queueId);
    if (known !== undefined) return known;
    if (zeroIfNotFound !== false && (await this.isYoung(topic, queueId))) return 0;
    throw new WasmqError("QUERY_NOT_FOUND", "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first");
  }

  /** Whether a queue is so young that a new group begins at its start, whatever it asked for. */
  async isYoung(topic: string, queueId: number): Promise<boolean> {
    const { minOffset, maxOffset } = this.#store.range(topic, queueId);
    if (maxOffset === 0) {
      const found = this.#topics.find(topic);
      return found !== undefined && hasQueue(found.config, queueId);
    }
    return minOffset === 0 && (await this.#store.bytesBehind(topic, queueId, 0)) <= youngQueueBytesMax;
  }

  #keys(): { readonly key: string; readonly topic: string; readonly group: string }[] {
    return Array.from(this.#table.keys(), (key) => {
      const at = key.lastIndexOf(separator);
      return { key, topic: key.slice(0, at), group: key.slice(at + 1) };
    });
  }

  #forget(isMeant: (key: { topic: string; group: string }) => boolean): void {
    for (const { key, ...names } of this.#keys()) {
      if (!isMeant(names)) continue;
      this.#count -= this.#table.get(key)!.size;
      this.#table.delete(key);
      this.#resets.delete(key);
      this.#changedNow();
    }
  }

  #changedNow(): void {
    if (!this.#dirty) this.#changed();
    this.#dirty = true;
  }

  #set(key: string, queueId: number, offset: number): void {
    let queues = this.#table.get(key);
    if (queues === undefined) {
      queues = new Map();
      this.#table.set(key, queues);
    }
    const known = queues.get(queueId);
    if (known === offset) return;
    if (known === undefined) this.#count++;
    queues.set(queueId, offset);
    this.#changedNow();
  }
}

/** The offsets in a table of the file; what is none is left out. */
function* offsetsIn(table: ConfigValue): Generator<{ key: string; queueId: number; offset: number }> {
  for (const [key, queues] of Object.entries(table)) {
    if (!isObject(queues)) continue;
    for (const [queueId, offset] of Object.entries(queues)) {
      if (typeof offset === "number" && Number.isSafeInteger(offset) && offset >= 0) {
        yield { key, queueId: Number(queueId), offset };
      }
    }
  }
}
