/** Of the requests that are wrong by chance. */
export const seed = 7;
