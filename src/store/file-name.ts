/** A file of a logical byte stream is named by the offset of its first byte, 20 digits (UtilAll.offset2FileName). */
export function offsetFileName(folder: string, offset: number): string {
  return `${folder}/${String(offset).padStart(20, "0")}`;
}

/** The offset in a name made by `offsetFileName`, or undefined for any other name. */
export function fileNameOffset(name: string): number | undefined {
  const match = /(?:^|\/)(\d{20})$/.exec(name);
  if (match === null) return undefined;
  const offset = Number(match[1]);
  return Number.isSafeInteger(offset) ? offset : undefined;
}
