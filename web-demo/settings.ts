/** What a group's members do. fail: give each message back, so that it comes again; pause: leave the group. */
export type GroupMode = "consume" | "fail" | "pause";

export interface GroupSettings {
  readonly mode: GroupMode;
  /** Tags divided by `||`, or `*`. */
  readonly tags: string;
}

interface Saved {
  /** Those that were published to: what groups subscribe to, and whose records are listed. */
  readonly topics: readonly string[];
  readonly groups: Readonly<Record<string, GroupSettings>>;
}

const storageKey = "wasmq-demo";
const modes: readonly GroupMode[] = ["consume", "fail", "pause"];
const groupDefault: GroupSettings = { mode: "consume", tags: "*" };

/** The oldest leaves the page's sight then; the broker keeps it. */
const topicsMax = 8;

/** What all tabs agree on: the members of a group have to say the same of its subscriptions. Outlives the page. */
export class Settings {
  readonly #changed = new Set<() => void>();
  #saved: Saved = parse(localStorage.getItem(storageKey));

  constructor() {
    addEventListener("storage", ({ key }) => {
      if (key !== storageKey && key !== null) return;
      this.#saved = parse(localStorage.getItem(storageKey));
      this.#tell();
    });
  }

  get topics(): readonly string[] {
    return this.#saved.topics;
  }

  group(name: string): GroupSettings {
    return this.#saved.groups[name] ?? groupDefault;
  }

  addTopic(topic: string): void {
    if (this.topics.includes(topic)) return;
    this.#save({ ...this.#saved, topics: [...this.topics, topic].slice(-topicsMax) });
  }

  setGroup(name: string, settings: Partial<GroupSettings>): void {
    this.#save({ ...this.#saved, groups: { ...this.#saved.groups, [name]: { ...this.group(name), ...settings } } });
  }

  onChange(changed: () => void): void {
    this.#changed.add(changed);
  }

  #save(saved: Saved): void {
    this.#saved = saved;
    localStorage.setItem(storageKey, JSON.stringify(saved));
    this.#tell();
  }

  #tell(): void {
    for (const changed of this.#changed) changed();
  }
}

/** Anything may be kept under the key: what makes no sense is left out. */
function parse(text: string | null): Saved {
  let given: unknown;
  try {
    given = JSON.parse(text ?? "{}");
  } catch {
    given = {};
  }
  const { topics, groups } = (given ?? {}) as { readonly topics?: unknown; readonly groups?: unknown };
  const names = Array.isArray(topics) ? topics.filter((topic) => typeof topic === "string") : [];
  const known = Object.entries((groups ?? {}) as Record<string, Partial<GroupSettings>>).map(([name, settings]) => {
    const mode = modes.find((mode) => mode === settings?.mode) ?? groupDefault.mode;
    const tags = typeof settings?.tags === "string" ? settings.tags : groupDefault.tags;
    return [name, { mode, tags }] as const;
  });
  return { topics: names.slice(-topicsMax), groups: Object.fromEntries(known) };
}
