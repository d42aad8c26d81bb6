/** The stable name of what a system call answered; undefined for what is no such answer. */
export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** No room on the disk, or in the user's share of it. */
export function isOutOfRoom(error: unknown): boolean {
  return codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT";
}
