/** One setting: how its text is read, and what holds where nothing is said. Undefined is for what is decided elsewhere then. */
export interface Setting<T, D extends T | undefined = T | undefined> {
  readonly standard: D;
  /** What it may be, as it ends "KEY is ...". */
  readonly what: string;
  /** Undefined for a text that it can't be. */
  read(text: string): T | undefined;
}

export type Settings = Readonly<Record<string, Setting<string | number | boolean>>>;

type Value<S> = S extends { read(text: string): infer T | undefined } ? Exclude<T, undefined> : never;

/** What is said of settings. */
export type Said<S extends Settings> = { readonly [K in keyof S]?: Value<S[K]> };

/** What holds, with what is standard where nothing is said. */
export type Effective<S extends Settings> = { readonly [K in keyof S]: Value<S[K]> | S[K]["standard"] };

export function effective<S extends Settings>(settings: S, said: Said<S>): Effective<S> {
  return Object.fromEntries(
    Object.entries(settings).map(([key, { standard }]) => [key, said[key] ?? standard]),
  ) as Effective<S>;
}

/** `true` or `false`; Java takes all else for false. */
export function flag(standard: boolean): Setting<boolean, boolean> {
  return {
    standard,
    what: "true or false",
    read: (text) => (/^(true|false)$/i.test(text) ? text.toLowerCase() === "true" : undefined),
  };
}

export function whole<D extends number | undefined>(standard: D, min: number, max: number): Setting<number, D> {
  return {
    standard,
    what: `a whole number from ${min} to ${max}`,
    read: (text) => {
      const value = Number(text);
      const digits = min < 0 ? /^-?\d{1,16}$/ : /^\d{1,16}$/;
      return digits.test(text) && value >= min && value <= max ? value : undefined;
    },
  };
}

/** A percentage that is brought into the range where it is outside of it, as RocketMQ does with watermarks. */
export function percentWithin(standard: number, [min, max]: readonly [number, number]): Setting<number, number> {
  const { read } = whole(standard, 0, 100);
  return {
    standard,
    what: `a whole number of percent, taken as ${min} below that and as ${max} above`,
    read: (text) => {
      const value = read(text);
      return value === undefined ? undefined : Math.min(Math.max(value, min), max);
    },
  };
}

export function text<D extends string | undefined>(standard: D, what: string, pattern: RegExp): Setting<string, D> {
  return { standard, what, read: (given) => (pattern.test(given) ? given : undefined) };
}

export function oneOf<T extends string>(standard: T, ...others: readonly T[]): Setting<T, T> {
  const all = [standard, ...others];
  return { standard, what: all.join(" or "), read: (given) => all.find((value) => value === given) };
}
