/** Java's String.hashCode of a JavaScript string: both hash UTF-16 units, so nothing has to be encoded first. */
export function javaHash(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
  return hash;
}
