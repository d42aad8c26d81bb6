import { decodeUtf8 } from "../../src/ports/text.ts";
import type { Store } from "../../src/store/store.ts";
import type { Disk } from "./disk.ts";
import { Violation } from "./violation.ts";

/** One attempt to send one message: what went in, and what is known of it. Times are the ledger's. */
export interface Send {
  /** Stored as the message's flag; counted from 1. */
  readonly id: number;
  readonly topic: string;
  readonly queueId: number;
  readonly body: Uint8Array;
  readonly properties: Uint8Array;
  /** How many its record says that it holds: of a batch in one record, all of them stand and go together. */
  readonly messages: number;
  /** Parked until its time has come, and delivered then: again, after a crash. */
  readonly isDelayed: boolean;
  readonly sentAt: number;
  /** Not before this was it acknowledged. */
  ackedAt: number;
  /** Not before this did a consumer see it. */
  seenAt: number;
  /** From here on it was not there any more, and did not have to be. */
  goneAt: number;
  /** Where it stands, once that is known. */
  queueOffset: number;
  physicalOffset: number;
  storeTimestamp: number;
  /** Of the last inspection that met it. */
  met: number;
}

export type CrashKind = "process" | "power";

export interface Crash {
  readonly at: number;
  readonly kind: CrashKind;
  /**
   * A sync of the CommitLog had failed, and the process died before it could note that down: the system tells an error of a sync once, and
   * whoever opens the store next can't know of it.
   */
  readonly isUntold: boolean;
}

export function crashOf(disk: Disk, kind: CrashKind, at: number): Crash {
  const isUntold = kind === "process" && disk.isForgetful("commitlog") && !disk.has("unsynced");
  return { at, kind, isUntold };
}

/** A moment at which a store is looked at: what had happened until then. */
export interface Moment {
  readonly at: number;
  readonly crashes: readonly Crash[];
  /** When the disk was as it is looked at, if that was earlier: files may have been deleted since. */
  readonly diskAt?: number;
  /** The store goes on meanwhile, and may delete. */
  readonly isLive?: boolean;
  /** Sends of a branch, which the ledger does not have. */
  readonly branch?: readonly Send[];
  /** What an earlier look in this branch has found: nothing else may come, and if `isKept` all of it must be there. */
  readonly before?: { readonly found: ReadonlySet<Send>; readonly isKept: boolean };
  /** Sends that need not be there: a medium was damaged. */
  readonly damaged?: ReadonlySet<Send>;
  /** Sends that were promised to nobody: bytes of their failed writes may come to light where what was written over them is damaged. */
  readonly uncovered?: ReadonlySet<Send>;
  /** Gets the delayed ones that stand in their own queue. */
  readonly delivered?: Set<Send>;
}

const scheduleTopic = "SCHEDULE_TOPIC_XXXX";

const inspectedAtOnce = { messagesMax: 1_000, bytesMax: 256 * 1024, unitsMax: 800, tagHashes: undefined };

/** Each takes a search in the index. */
const keysAskedMax = 40;

/** What was sent, in order, and what may have become of it. */
export class Ledger {
  readonly #sends: Send[] = [];
  /** Where the log began, from when on: what stood before it is deleted. */
  readonly #begins: { readonly at: number; readonly offset: number }[] = [];
  /** Where the log begins once a deletion that is under way has ended: nobody is to begin to read what stands before. */
  #deletingTo = 0;
  readonly crashes: Crash[] = [];
  readonly isSync: boolean;
  /** Whether who takes messages adds properties to theirs. */
  readonly #addsProperties: boolean;
  /** Goes on with everything that happens. */
  now = 0;
  #inspections = 0;

  constructor(isSync: boolean, addsProperties = false) {
    this.isSync = isSync;
    this.#addsProperties = addsProperties;
  }

  get sends(): readonly Send[] {
    return this.#sends;
  }

  /** `branch`: of a branch, kept there. */
  send(
    topic: string,
    queueId: number,
    body: Uint8Array,
    properties: Uint8Array,
    { branch, isDelayed = false, messages = 1 }: { branch?: Send[]; isDelayed?: boolean; messages?: number } = {},
  ): Send {
    const known = branch ?? this.#sends;
    const send: Send = {
      id: this.#sends.length + (branch?.length ?? 0) + 1,
      topic,
      queueId,
      body,
      properties,
      messages,
      isDelayed,
      sentAt: ++this.now,
      ackedAt: Number.POSITIVE_INFINITY,
      seenAt: Number.POSITIVE_INFINITY,
      goneAt: Number.POSITIVE_INFINITY,
      queueOffset: -1,
      physicalOffset: -1,
      storeTimestamp: 0,
      met: 0,
    };
    known.push(send);
    return send;
  }

  acked(send: Send, queueOffset: number, physicalOffset: number, storeTimestamp: number): void {
    if (send.ackedAt !== Number.POSITIVE_INFINITY) throw new Violation("acked-twice", nameOf(send));
    this.#standsAt(send, queueOffset, physicalOffset);
    send.storeTimestamp = storeTimestamp;
    send.ackedAt = ++this.now;
  }

  /** From now on the log begins at an offset: further back where a loss of power has undone a deletion. */
  logBeginsAt(offset: number): void {
    if (offset !== this.beginAt(this.now)) this.#begins.push({ at: ++this.now, offset });
  }

  /** Where the log began at a moment. */
  beginAt(at: number): number {
    return this.#begins.findLast((begin) => begin.at <= at)?.offset ?? 0;
  }

  /** A deletion is under way, after which the log begins at an offset; 0 once none is. */
  deletesTo(offset: number): void {
    this.#deletingTo = offset;
  }

  /** What stands before can't be relied upon any more: it is deleted, or being so. */
  get keptBegin(): number {
    return Math.max(this.beginAt(this.now), this.#deletingTo);
  }

  /** Whether it has to be there: it was promised, and is not deleted. */
  mustStand(send: Send, moment: Moment): boolean {
    const begin = moment.isLive ? this.keptBegin : this.beginAt(moment.diskAt ?? moment.at);
    return this.#isPromised(send, moment) && send.physicalOffset >= begin;
  }

  /** Whether it had to be there if nothing were deleted: acknowledged, or shown to a consumer, and no crash since that takes such. */
  #isPromised(send: Send, { at, crashes, branch }: Moment): boolean {
    const promisedAt = Math.min(send.ackedAt, send.seenAt);
    if (promisedAt === Number.POSITIVE_INFINITY || send.goneAt <= at) return false;
    if (promisedAt > at && !branch?.includes(send)) return false;
    if (isUnsure(send, crashes)) return false;
    return this.isSync || crashes.every((crash) => crash.kind === "process" || crash.at < promisedAt);
  }

  /** What a consumer gets of a queue, or of any queue of a topic, checked; the sends, in order. */
  served(topic: string, queueId: number | undefined, records: Uint8Array, branch: readonly Send[] = []): Send[] {
    const found: Send[] = [];
    const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
    for (let at = 0; at < records.length; at += view.getInt32(at)) {
      const id = view.getInt32(at + 16);
      const send = this.#sends[id - 1] ?? branch[id - 1 - this.#sends.length];
      const queueOffset = longAt(view, at + 20);
      if (send === undefined) {
        throw new Violation(
          "corrupted-served",
          `${topic}/${queueId} has flag ${id} at ${queueOffset}, which nobody sent`,
        );
      }
      const bodyEnd = at + 88 + view.getInt32(at + 84);
      const topicEnd = bodyEnd + 1 + view.getUint8(bodyEnd);
      const isParked = send.isDelayed && topic === scheduleTopic;
      const wrong =
        !(isParked || (send.queueId === view.getInt32(at + 12) && send.topic === topic)) ||
        (queueId !== undefined && view.getInt32(at + 12) !== queueId)
          ? "queue"
          : !isEqual(records, at + 88, bodyEnd, send.body)
            ? "body"
            : !send.isDelayed && !this.#areOf(send, records, topicEnd + 2, topicEnd + 2 + view.getInt16(topicEnd))
              ? "properties"
              : undefined;
      if (wrong !== undefined) {
        throw new Violation("corrupted-served", `${nameOf(send)} has another ${wrong} at ${queueOffset}`);
      }
      // One that is parked stands there, and wherever it is delivered.
      if (!send.isDelayed || isParked) this.#standsAt(send, queueOffset, longAt(view, at + 28));
      found.push(send);
    }
    return found;
  }

  /** Reads all of a store that is open, and checks it against what had been sent at the moment. What it found. */
  async inspect(store: Store, moment: Moment): Promise<Set<Send>> {
    const inspection = ++this.#inspections;
    const found = new Set<Send>();
    const branch = moment.branch ?? [];
    for (const { topic, queueId } of store.queues()) {
      const { minOffset, maxOffset } = store.range(topic, queueId);
      let last = -1;
      let lastAcked = 0;
      let isFirst =
        this.beginAt(moment.diskAt ?? moment.at) > 0 && moment.isLive !== true && !this.#mayComeBack(moment);
      for (let offset = minOffset; offset < maxOffset; ) {
        const got = await store.get(topic, queueId, offset, inspectedAtOnce);
        for (const send of this.served(topic, queueId, got.records, branch)) {
          if (send.isDelayed && topic !== scheduleTopic) {
            moment.delivered?.add(send);
            continue;
          }
          if (send.met === inspection) throw new Violation("duplicated", `${nameOf(send)} stands twice`);
          send.met = inspection;
          if (send.queueOffset <= last) throw new Violation("wrong-order", `${nameOf(send)} stands behind ${last}`);
          last = send.queueOffset + send.messages - 1;
          if (send.sentAt > moment.at && !branch.includes(send)) {
            throw new Violation("resurrected", `${nameOf(send)} was sent later`);
          }
          if (!moment.uncovered?.has(send)) {
            if (send.goneAt <= moment.at) throw new Violation("resurrected", `${nameOf(send)} had been gone`);
            if (moment.before !== undefined && !moment.before.found.has(send) && !branch.includes(send)) {
              throw new Violation("resurrected", `${nameOf(send)} had not been there`);
            }
          }
          if (send.ackedAt < Number.POSITIVE_INFINITY) {
            if (send.id < lastAcked) throw new Violation("wrong-order", `${nameOf(send)} was sent before ${lastAcked}`);
            lastAcked = send.id;
          }
          // It may be the place of a message that is lost, and not deleted.
          const isMinimum = (): Promise<boolean> => this.#leadsInto(store, moment, send, minOffset);
          if (isFirst && moment.damaged === undefined && send.queueOffset !== minOffset && !(await isMinimum())) {
            const where = `${nameOf(send)} is the first, at ${send.queueOffset}`;
            throw new Violation("wrong-minimum", `${where}, and the queue says ${minOffset}`);
          }
          isFirst = false;
          found.add(send);
        }
        if (got.nextOffset <= offset) throw new Violation("stuck", `${topic}/${queueId} at ${offset}: ${got.status}`);
        offset = got.nextOffset;
      }
    }
    this.#inspectDeleted(store, moment, inspection);
    for (const sends of [this.#sends, branch]) {
      for (const send of sends) {
        if (send.met === inspection || moment.damaged?.has(send)) continue;
        if (this.mustStand(send, moment)) {
          throw new Violation(
            send.ackedAt <= moment.at ? "acked-lost" : "seen-lost",
            `${nameOf(send)} of offset ${send.queueOffset}, at ${send.physicalOffset} of the log, is gone`,
          );
        }
      }
    }
    // Of a store that is damaged more is asked (`findAll`).
    if (moment.damaged === undefined) await this.#query(store, [...found], moment, inspection);
    if (moment.before?.isKept) {
      for (const send of moment.before.found) {
        if (send.met !== inspection && !moment.damaged?.has(send) && !isUnsure(send, moment.crashes)) {
          throw new Violation("seen-lost", `${nameOf(send)} had been recovered, and is gone`);
        }
      }
    }
    return found;
  }

  /** Whether a place in the queue of a message leads to it, or to where another one has stood before it in what is kept of the log. */
  async #leadsInto(store: Store, { at, diskAt = at }: Moment, send: Send, offset: number): Promise<boolean> {
    const { topic, queueId, queueOffset, physicalOffset } = send;
    const behind = await store.bytesBehind(topic, queueId, offset);
    const place = physicalOffset + (await store.bytesBehind(topic, queueId, queueOffset)) - behind;
    return behind > 0 && place >= this.beginAt(diskAt) && place <= physicalOffset;
  }

  /** What is deleted stays so, unless power was lost since; and no other message gets its place in the queue. */
  #inspectDeleted(store: Store, moment: Moment, inspection: number): void {
    const begin = this.beginAt(moment.diskAt ?? moment.at);
    if (begin === 0) return;
    const mayComeBack = this.#mayComeBack(moment);
    for (const send of this.#sends) {
      if (send.physicalOffset < 0 || send.physicalOffset >= begin) continue;
      if (send.met === inspection && !mayComeBack) throw new Violation("resurrected", `${nameOf(send)} was deleted`);
      if (send.met === inspection || moment.damaged !== undefined || !this.#isPromised(send, moment)) continue;
      const { maxOffset } = store.range(send.topic, send.queueId);
      if (maxOffset < send.queueOffset + send.messages) {
        throw new Violation(
          "offset-lost",
          `${nameOf(send)} had ${send.queueOffset}, and the queue ends at ${maxOffset}`,
        );
      }
    }
  }

  /** Power was lost since files were deleted: some may be there again, and in them what was synced. */
  #mayComeBack({ at: now, diskAt = now, crashes }: Moment): boolean {
    const deletedAt = this.#begins.findLast(({ at }) => at <= diskAt)?.at ?? diskAt;
    return crashes.some(({ at, kind }) => kind === "power" && at > deletedAt);
  }

  /** By each key, and by each tag, those that are there are found, and nothing else: the first that is not, if one is. */
  async findAll(store: Store, found: ReadonlySet<Send>): Promise<string | undefined> {
    const asked = new Set<string>();
    let missed: string | undefined;
    for (const send of found) {
      if (send.isDelayed) continue;
      for (const key of keysOf(send)) {
        const name = `${send.topic} ${key}`;
        if (asked.size >= keysAskedMax || asked.has(name)) continue;
        asked.add(name);
        if (missed !== undefined) continue;
        const one = await this.#missedBy(store, send.topic, key, [...found], []);
        if (one !== undefined) missed = `${nameOf(one)} is not found by the key ${key}`;
      }
    }
    for (const { topic, queueId } of store.queues()) {
      for (const tag of ["TagA", "TagB"]) {
        const tagHashes = Int32Array.of(store.core.hashCode(tag));
        const left = new Set(
          [...found].filter((send) => send.topic === topic && send.queueId === queueId && tagOf(send) === tag),
        );
        const { minOffset, maxOffset } = store.range(topic, queueId);
        for (let offset = minOffset; offset < maxOffset; ) {
          const got = await store.get(topic, queueId, offset, { ...inspectedAtOnce, tagHashes });
          for (const send of this.served(topic, queueId, got.records)) left.delete(send);
          offset = Math.max(offset + 1, got.nextOffset);
        }
        for (const send of left) {
          if (!send.isDelayed) throw new Violation("wrong-answer", `${nameOf(send)} is not found by its tag`);
        }
      }
    }
    return missed;
  }

  /** One key of a message that is there: the index has to lead to all that have it, and to nothing else. */
  async #query(store: Store, found: readonly Send[], moment: Moment, inspection: number): Promise<void> {
    const { branch = [], isLive } = moment;
    const asked = found[(inspection * 7_919) % found.length];
    const keys = asked === undefined || asked.isDelayed ? [] : keysOf(asked);
    const key = keys[inspection % keys.length];
    if (asked === undefined || key === undefined) return;
    const missed = await this.#missedBy(store, asked.topic, key, found, branch);
    if (missed === undefined) return;
    // A store that goes on may have deleted it meanwhile, and all before it: in its place is nothing then, either.
    if (isLive && (await store.rawRecordAt(missed.physicalOffset)) === undefined) return;
    throw new Violation("wrong-answer", `${nameOf(missed)} is not found by the key ${key}`);
  }

  /** The newest message that a key does not lead to, of those that are there. */
  async #missedBy(
    store: Store,
    topic: string,
    key: string,
    found: readonly Send[],
    branch: readonly Send[],
  ): Promise<Send | undefined> {
    const messagesMax = 64;
    const got = await store.query(topic, key, messagesMax, 0, Number.MAX_SAFE_INTEGER);
    const answer = new Set(this.served(topic, undefined, got.records, branch));
    for (const send of answer) {
      if (!keysOf(send).includes(key))
        throw new Violation("wrong-answer", `${nameOf(send)} does not have the key ${key}`);
    }
    const expected = found.filter((send) => !send.isDelayed && send.topic === topic && keysOf(send).includes(key));
    expected.sort((a, b) => b.physicalOffset - a.physicalOffset);
    const missing = expected.find((send, i) => i < messagesMax && !answer.has(send));
    return answer.size === messagesMax && expected.length > messagesMax ? undefined : missing;
  }

  /** The store goes on with what was found: what was not has been lost, as it may be. */
  goOn(found: ReadonlySet<Send>): void {
    const at = ++this.now;
    for (const send of this.#sends) {
      if (found.has(send)) send.seenAt = Math.min(send.seenAt, at);
      else if (send.goneAt > at && !(send.physicalOffset >= 0 && send.physicalOffset < this.keptBegin)) {
        send.goneAt = at;
      }
    }
  }

  #areOf({ properties, messages }: Send, records: Uint8Array, from: number, to: number): boolean {
    const hasMore = this.#addsProperties || messages > 1;
    return isEqual(records, from, hasMore ? Math.min(to, from + properties.length) : to, properties);
  }

  #standsAt(send: Send, queueOffset: number, physicalOffset: number): void {
    if (send.queueOffset >= 0 && (send.queueOffset !== queueOffset || send.physicalOffset !== physicalOffset)) {
      throw new Violation(
        "moved",
        `${nameOf(send)} stood at ${send.queueOffset} (${send.physicalOffset}), and does at ${queueOffset} (${physicalOffset})`,
      );
    }
    send.queueOffset = queueOffset;
    send.physicalOffset = physicalOffset;
  }
}

/** Whether it was never acknowledged, the sync that it waited for may have failed untold, and the power went since. */
function isUnsure({ sentAt, ackedAt }: Send, crashes: readonly Crash[]): boolean {
  const untold = crashes.find(({ at, isUntold }) => isUntold && sentAt < at && at < ackedAt);
  return untold !== undefined && crashes.some(({ at, kind }) => kind === "power" && at > untold.at);
}

/** As a broker indexes them: the unique key, and the words of KEYS. */
function keysOf({ properties }: Send): string[] {
  const keys: string[] = [];
  for (const property of decodeUtf8(properties).split("\u0002")) {
    const [name, value = ""] = property.split("\u0001");
    if (name === "UNIQ_KEY") keys.push(value);
    if (name === "KEYS") keys.push(...value.split(" "));
  }
  return keys;
}

function tagOf({ properties }: Send): string | undefined {
  for (const property of decodeUtf8(properties).split("\u0002")) {
    const [name, value] = property.split("\u0001");
    if (name === "TAGS") return value;
  }
  return undefined;
}

export function nameOf(send: Send): string {
  return `send ${send.id} to ${send.topic}/${send.queueId}`;
}

function isEqual(bytes: Uint8Array, from: number, to: number, expected: Uint8Array): boolean {
  if (to - from !== expected.length) return false;
  for (let i = 0; i < expected.length; i++) if (bytes[from + i] !== expected[i]) return false;
  return true;
}

/** A long that is exact as a number. */
function longAt(view: DataView, at: number): number {
  return view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4);
}
