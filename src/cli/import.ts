import { told, UsageError } from "./failure.ts";
import { fillDirectory, placeOf, readPlace, storeOption, withProgress } from "./store-place.ts";

export const importOptions = {
  store: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = { readonly [name in keyof typeof importOptions]?: string | boolean | undefined };

/** Fills an empty directory with the store of an archive or of another directory; the exit code. */
export async function importFrom(values: Values, positionals: readonly string[]): Promise<number> {
  try {
    if (positionals.length > 1) throw new UsageError("one FILE.tar, directory or - is needed");
    const from = placeOf(positionals[0]);
    const store = storeOption(values.store);
    await withProgress("imported", readPlace(from), (archive) => fillDirectory(archive, store));
    return 0;
  } catch (error) {
    return told(error);
  }
}
