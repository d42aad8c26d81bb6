/** A file of a logical byte stream is named by the offset of its first byte, 20 digits (UtilAll.offset2FileName). */
export function offsetFileName(folder: string, offset: number): string {
  return `${folder}/${String(offset).padStart(20, "0")}`;
}

/** The name of an IndexFile: the local time it was made at, to the millisecond (UtilAll.timeMillisToHumanString). */
export function timeFileName(folder: string, localMs: number): string {
  const days = Math.floor(localMs / dayMs);
  const { year, month, day } = civilDate(days);
  const msOfDay = localMs - days * dayMs;
  const parts: readonly (readonly [number, number])[] = [
    [year, 4],
    [month, 2],
    [day, 2],
    [Math.floor(msOfDay / 3_600_000), 2],
    [Math.floor(msOfDay / 60_000) % 60, 2],
    [Math.floor(msOfDay / 1000) % 60, 2],
    [Math.floor(msOfDay % 1000), 3],
  ];
  return `${folder}/${parts.map(([value, digits]) => String(value).padStart(digits, "0")).join("")}`;
}

const dayMs = 86_400_000;

/** The date of a day counted from 1970-01-01, in years that begin in March, so that leap days come last. */
function civilDate(days: number): { year: number; month: number; day: number } {
  const fromMarch0000 = days + 719_468;
  const era = Math.floor(fromMarch0000 / 146_097);
  const dayOfEra = fromMarch0000 - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
  };
}

/** The offset in a name made by `offsetFileName`, or undefined for any other name. */
export function fileNameOffset(name: string): number | undefined {
  const match = /(?:^|\/)(\d{20})$/.exec(name);
  if (match === null) return undefined;
  const offset = Number(match[1]);
  return Number.isSafeInteger(offset) ? offset : undefined;
}
