import type { FileStat, StorageWrite } from "../../src/ports/log-storage.ts";
import type { Random } from "./random.ts";

/** How a loss of power treats what was not synced. */
export type PowerLoss = "nothing lasts" | "all lasts" | "pages" | "sectors";

/** A moment's state of what a sync is about. */
export type SyncMark = object;

/** Files as an operating system has them, and what of them is on the medium. Names and places are the port's; nothing waits and nothing fails. */
export interface Disk {
  /** Batches are written whole, and what is not synced is lost in order. */
  readonly isAtomic: boolean;
  has(name: string): boolean;
  list(folder: string): FileStat[];
  create(name: string, sizeBytes: number, nowMs: number): void;
  write(batch: readonly StorageWrite[], nowMs: number): void;
  read(name: string, at: number, into: Uint8Array): number;
  rename(from: string, to: string): void;
  delete(name: string): void;
  setModified(name: string, atMs: number): void;
  beginSync(names: readonly string[]): SyncMark;
  /** What was written before its begin is on the medium. */
  endSync(mark: SyncMark): void;
  /** Some of it is, and the system takes all of it for written: it tries nothing again (Linux, fsync(2)). */
  failSync(mark: SyncMark, random: Random): void;
  /** Whether reads of files of this folder give what a failed sync has left off the medium: no later sync would tell. */
  isForgetful(folder: string): boolean;
  /** What a loss of power now leaves is all there is from then on. */
  losePower(random: Random): PowerLoss;
  /** Another disk that is as this one is; the two share nothing. */
  clone(): Disk;
  /** Changes one bit on the medium and in memory. */
  flip(name: string, at: number, bit: number): void;
}

export const pageBytes = 4096;
export const sectorBytes = 512;

/** Contents of pages are replaced and never changed: clones share them. No content is zeros. */
type Content = Uint8Array | undefined;

interface Page {
  medium: Content;
  cached: Content;
  /** What it held since it was last synced, the latest last: any of it may have reached the medium. Empty for a clean page. */
  unsynced: Uint8Array[];
}

interface Inode {
  sizeBytes: number;
  /** As on the medium. */
  durableSizeBytes: number;
  modifiedAtMs: number;
  readonly pages: Map<number, Page>;
}

/** What a journal of a file system has: done whole or not, and in order. */
interface Change {
  /** Names, with what they stand for afterwards. */
  readonly names?: readonly (readonly [name: string, inode: Inode | undefined])[];
  readonly size?: {
    readonly inode: Inode;
    readonly sizeBytes: number;
    /** The name of a file that was made with this size. */
    readonly madeAs?: string;
  };
}

interface PagedMark {
  readonly pages: readonly (readonly [page: Page, content: Uint8Array])[];
  readonly changes: ReadonlySet<Change>;
}

/**
 * A file system on a disk. What was written since the last sync of a file is lost by page or by sector, in any order; files come
 * into being, grow and get other names in order, as journalling file systems have it. A sync makes nothing last but what the port
 * promises: the files named, and what was made, renamed and deleted in their folders.
 */
export class PagedDisk implements Disk {
  readonly isAtomic = false;
  readonly #names: Map<string, Inode>;
  readonly #durable: Map<string, Inode>;
  #changes: Change[];

  constructor(names: Map<string, Inode> = new Map(), durable: Map<string, Inode> = new Map(), changes: Change[] = []) {
    this.#names = names;
    this.#durable = durable;
    this.#changes = changes;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  list(folder: string): FileStat[] {
    return listOf(this.#names, folder, ({ sizeBytes, modifiedAtMs, pages }) => ({
      sizeBytes,
      modifiedAtMs,
      dataBytesMax: pages.size * pageBytes,
    }));
  }

  create(name: string, sizeBytes: number, nowMs: number): void {
    const inode: Inode = { sizeBytes, durableSizeBytes: 0, modifiedAtMs: nowMs, pages: new Map() };
    this.#names.set(name, inode);
    this.#changes.push({ names: [[name, inode]] });
    // open(2) and ftruncate(2) are two.
    if (sizeBytes > 0) this.#changes.push({ size: { inode, sizeBytes, madeAs: name } });
  }

  write(batch: readonly StorageWrite[], nowMs: number): void {
    for (const { file, at, bytes } of batch) {
      const inode = this.#names.get(file)!;
      inode.modifiedAtMs = nowMs;
      eachPage(at, bytes.length, (index, within, from, length) => {
        const page = inode.pages.get(index) ?? { medium: undefined, cached: undefined, unsynced: [] };
        const content = page.cached?.slice() ?? new Uint8Array(pageBytes);
        content.set(bytes.subarray(from, from + length), within);
        page.cached = content;
        page.unsynced.push(content);
        inode.pages.set(index, page);
      });
      if (at + bytes.length > inode.sizeBytes) {
        inode.sizeBytes = at + bytes.length;
        this.#changes.push({ size: { inode, sizeBytes: inode.sizeBytes } });
      }
    }
  }

  read(name: string, at: number, into: Uint8Array): number {
    const inode = this.#names.get(name);
    if (inode === undefined) return 0;
    return readPages(inode.sizeBytes, (index) => inode.pages.get(index)?.cached, at, into);
  }

  rename(from: string, to: string): void {
    const inode = this.#names.get(from)!;
    this.#names.delete(from);
    this.#names.set(to, inode);
    this.#changes.push({
      names: [
        [from, undefined],
        [to, inode],
      ],
    });
  }

  delete(name: string): void {
    if (this.#names.delete(name)) this.#changes.push({ names: [[name, undefined]] });
  }

  setModified(name: string, atMs: number): void {
    this.#names.get(name)!.modifiedAtMs = atMs;
  }

  beginSync(names: readonly string[]): PagedMark {
    const pages: [Page, Uint8Array][] = [];
    const inodes = new Set<Inode>();
    const folders = new Set(names.map(folderOf));
    for (const name of names) {
      const inode = this.#names.get(name);
      if (inode === undefined) continue;
      inodes.add(inode);
      for (const page of inode.pages.values()) {
        const content = page.unsynced.at(-1);
        if (content !== undefined) pages.push([page, content]);
      }
    }
    const isMeant = ({ names: changed, size }: Change): boolean =>
      size === undefined
        ? changed!.some(([name, inode]) => folders.has(folderOf(name)) || (inode !== undefined && inodes.has(inode)))
        : inodes.has(size.inode) || (size.madeAs !== undefined && folders.has(folderOf(size.madeAs)));
    return { pages, changes: new Set(this.#changes.filter(isMeant)) };
  }

  endSync({ pages, changes }: PagedMark): void {
    for (const [page, content] of pages) {
      const at = page.unsynced.indexOf(content);
      if (at < 0) continue;
      page.medium = content;
      page.unsynced.splice(0, at + 1);
    }
    for (const change of this.#changes) if (changes.has(change)) this.#makeLast(change);
    this.#changes = this.#changes.filter((change) => !changes.has(change));
  }

  failSync({ pages }: PagedMark, random: Random): void {
    for (const [page, content] of pages) {
      const at = page.unsynced.indexOf(content);
      if (at < 0) continue;
      if (random.chance(0.5)) page.medium = content;
      page.unsynced.splice(0, at + 1);
    }
  }

  isForgetful(folder: string): boolean {
    for (const [name, { pages }] of this.#names) {
      if (!name.startsWith(`${folder}/`)) continue;
      for (const { medium, cached, unsynced } of pages.values()) {
        if (unsynced.length === 0 && cached !== medium) return true;
      }
    }
    return false;
  }

  losePower(random: Random): PowerLoss {
    const loss = random.pick<PowerLoss>(["nothing lasts", "all lasts", "pages", "pages", "sectors", "sectors"]);
    const share = loss === "nothing lasts" ? 0 : loss === "all lasts" ? 1 : random.next();
    const changesLast = Math.round(this.#changes.length * (share === 0 || share === 1 ? share : random.next()));
    for (const change of this.#changes.slice(0, changesLast)) this.#makeLast(change);
    this.#changes = [];
    this.#names.clear();
    for (const [name, inode] of this.#durable) {
      this.#names.set(name, inode);
      inode.sizeBytes = inode.durableSizeBytes;
      for (const [index, page] of inode.pages) {
        const { unsynced } = page;
        if (unsynced.length > 0) {
          if (loss === "sectors") {
            page.medium = sectorsOf(page, share, random);
          } else if (random.next() < share) {
            page.medium = loss === "all lasts" ? unsynced.at(-1)! : random.pick(unsynced);
          }
        }
        page.cached = page.medium;
        page.unsynced = [];
        if (page.medium === undefined || index * pageBytes >= inode.sizeBytes) inode.pages.delete(index);
      }
    }
    return loss;
  }

  clone(): PagedDisk {
    const known = new Map<Inode, Inode>();
    const cloneOf = (inode: Inode): Inode => {
      let clone = known.get(inode);
      if (clone === undefined) {
        const pages = new Map<number, Page>();
        for (const [index, { medium, cached, unsynced }] of inode.pages) {
          pages.set(index, { medium, cached, unsynced: unsynced.length === 0 ? [] : unsynced.slice() });
        }
        const { sizeBytes, durableSizeBytes, modifiedAtMs } = inode;
        clone = { sizeBytes, durableSizeBytes, modifiedAtMs, pages };
        known.set(inode, clone);
      }
      return clone;
    };
    const cloneAll = (names: ReadonlyMap<string, Inode>): Map<string, Inode> => {
      const clones = new Map<string, Inode>();
      for (const [name, inode] of names) clones.set(name, cloneOf(inode));
      return clones;
    };
    const changes = this.#changes.map(
      ({ names, size }): Change =>
        size === undefined
          ? { names: names!.map(([name, inode]) => [name, inode && cloneOf(inode)]) }
          : { size: { ...size, inode: cloneOf(size.inode) } },
    );
    return new PagedDisk(cloneAll(this.#names), cloneAll(this.#durable), changes);
  }

  flip(name: string, at: number, bit: number): void {
    const inode = this.#names.get(name)!;
    const index = Math.floor(at / pageBytes);
    const page = inode.pages.get(index);
    const content = page?.cached?.slice() ?? new Uint8Array(pageBytes);
    content[at % pageBytes]! ^= 1 << bit;
    inode.pages.set(index, { medium: content, cached: content, unsynced: [] });
  }

  #makeLast({ names, size }: Change): void {
    if (size !== undefined) size.inode.durableSizeBytes = size.sizeBytes;
    for (const [name, inode] of names ?? []) {
      if (inode === undefined) this.#durable.delete(name);
      else this.#durable.set(name, inode);
    }
  }
}

function folderOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf("/")));
}

/** Each sector by itself as any version of its page had it. */
function sectorsOf({ medium, unsynced }: Page, share: number, random: Random): Uint8Array {
  const content = medium?.slice() ?? new Uint8Array(pageBytes);
  for (let at = 0; at < pageBytes; at += sectorBytes) {
    if (random.next() < share) content.set(random.pick(unsynced).subarray(at, at + sectorBytes), at);
  }
  return content;
}

interface FileImage {
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
  readonly pages: ReadonlyMap<number, Uint8Array>;
}

type Image = ReadonlyMap<string, FileImage>;

/** A database that holds files (Durable Object, IndexedDB): each operation is a transaction, and of those not synced the last ones are lost. */
export class AtomicDisk implements Disk {
  readonly isAtomic = true;
  /** What the medium holds for sure, and what came of it since, in order. */
  #history: Image[];

  constructor(history: Image[] = [new Map()]) {
    this.#history = history;
  }

  get #now(): Image {
    return this.#history.at(-1)!;
  }

  has(name: string): boolean {
    return this.#now.has(name);
  }

  list(folder: string): FileStat[] {
    return listOf(this.#now, folder, ({ sizeBytes, modifiedAtMs, pages }) => ({
      sizeBytes,
      modifiedAtMs,
      // As a Durable Object tells it: where its last chunk ends.
      dataBytesMax: Math.min(sizeBytes, (Math.max(-1, ...pages.keys()) + 1) * pageBytes),
    }));
  }

  create(name: string, sizeBytes: number, nowMs: number): void {
    this.#change((files) => files.set(name, { sizeBytes, modifiedAtMs: nowMs, pages: new Map() }));
  }

  write(batch: readonly StorageWrite[], nowMs: number): void {
    this.#change((files) => {
      for (const { file, at, bytes } of batch) {
        const before = files.get(file)!;
        const pages = new Map(before.pages);
        eachPage(at, bytes.length, (index, within, from, length) => {
          const content = pages.get(index)?.slice() ?? new Uint8Array(pageBytes);
          content.set(bytes.subarray(from, from + length), within);
          pages.set(index, content);
        });
        files.set(file, { sizeBytes: Math.max(before.sizeBytes, at + bytes.length), modifiedAtMs: nowMs, pages });
      }
    });
  }

  read(name: string, at: number, into: Uint8Array): number {
    const file = this.#now.get(name);
    return file === undefined ? 0 : readPages(file.sizeBytes, (index) => file.pages.get(index), at, into);
  }

  rename(from: string, to: string): void {
    this.#change((files) => {
      files.set(to, files.get(from)!);
      files.delete(from);
    });
  }

  delete(name: string): void {
    if (this.has(name)) this.#change((files) => files.delete(name));
  }

  setModified(name: string, atMs: number): void {
    this.#change((files) => files.set(name, { ...files.get(name)!, modifiedAtMs: atMs }));
  }

  beginSync(): Image {
    return this.#now;
  }

  endSync(mark: Image): void {
    const at = this.#history.indexOf(mark);
    if (at > 0) this.#history.splice(0, at);
  }

  failSync(): void {}

  isForgetful(): boolean {
    return false;
  }

  losePower(random: Random): PowerLoss {
    const loss = random.pick<PowerLoss>(["nothing lasts", "all lasts", "pages"]);
    const kept =
      loss === "nothing lasts" ? this.#history[0]! : loss === "all lasts" ? this.#now : random.pick(this.#history);
    this.#history = [kept];
    return loss;
  }

  clone(): AtomicDisk {
    return new AtomicDisk(this.#history.slice());
  }

  flip(name: string, at: number, bit: number): void {
    const file = this.#now.get(name)!;
    const pages = new Map(file.pages);
    const index = Math.floor(at / pageBytes);
    const content = pages.get(index)?.slice() ?? new Uint8Array(pageBytes);
    content[at % pageBytes]! ^= 1 << bit;
    pages.set(index, content);
    this.#history = [new Map(this.#now).set(name, { ...file, pages })];
  }

  #change(change: (files: Map<string, FileImage>) => void): void {
    const files = new Map(this.#now);
    change(files);
    this.#history.push(files);
  }
}

function listOf<F>(
  files: ReadonlyMap<string, F>,
  folder: string,
  statOf: (file: F) => Omit<FileStat, "name">,
): FileStat[] {
  const below = folder === "" ? "" : `${folder}/`;
  const found: FileStat[] = [];
  for (const [name, file] of files) if (name.startsWith(below)) found.push({ name, ...statOf(file) });
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function eachPage(
  at: number,
  length: number,
  visit: (index: number, within: number, from: number, length: number) => void,
): void {
  for (let done = 0; done < length; ) {
    const within = (at + done) % pageBytes;
    const count = Math.min(length - done, pageBytes - within);
    visit(Math.floor((at + done) / pageBytes), within, done, count);
    done += count;
  }
}

function readPages(sizeBytes: number, contentOf: (index: number) => Content, at: number, into: Uint8Array): number {
  const length = Math.max(0, Math.min(into.length, sizeBytes - at));
  eachPage(at, length, (index, within, from, count) => {
    const content = contentOf(index);
    if (content === undefined) into.fill(0, from, from + count);
    else into.set(content.subarray(within, within + count), from);
  });
  return length;
}
