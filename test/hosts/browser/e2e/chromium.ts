

/** Why a browser can't be driven here, or undefined. On CI that is a failure, never a skip. */
export function missingChromium(): string | undefined {
  if (process.env["CI"] !== undefined) throw new Error(`browser tests need it on CI: ${missing}`);
  console.warn(`browser tests skipped: ${missing}`);
  return missing;
}

};

}
