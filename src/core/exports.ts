/** What build/core.wasm exports; assembly/index.ts says what each means. Addresses are bytes from the start of its memory. */
export interface CoreExports {
  readonly memory: WebAssembly.Memory;
  allocate(byteLength: number): number;

  crc32(at: number, length: number, seed: number): number;
  hashUtf8(at: number, length: number): number;

  bodyAt(bornHostLength: number, storeHostLength: number): number;
  batchItemGrowthMax(bornHostLength: number, storeHostLength: number, topicLength: number): number;
  encodeRecord(
    at: number,
    physicalOffset: number,
    queueId: number,
    flag: number,
    queueOffset: number,
    sysFlag: number,
    bornTimestamp: number,
    bornHostLength: number,
    storeTimestamp: number,
    storeHostLength: number,
    reconsumeTimes: number,
    preparedTransactionOffset: number,
    bodyLength: number,
    topicLength: number,
    propertiesLength: number,
    propertyCrc: number,
  ): number;
  encodeBatch(
    at: number,
    items: number,
    itemsEnd: number,
    physicalOffset: number,
    queueId: number,
    queueOffset: number,
    sysFlag: number,
    bornTimestamp: number,
    bornHostLength: number,
    storeTimestamp: number,
    storeHostLength: number,
    reconsumeTimes: number,
    topicLength: number,
    propertyCrc: number,
  ): number;
  encodeBlank(at: number, length: number): void;
  decodeRecord(at: number, available: number): number;
  checkRecord(at: number, available: number, physicalOffset: number): number;
  serveRecord(
    at: number,
    available: number,
    physicalOffset: number,
    size: number,
    to: number,
    topicLength: number,
    queueId: number,
    queueOffset: number,
  ): number;
  recordSize(at: number): number;
  storeTimestamp(at: number, available: number): number;
  scanRecords(region: number, from: number, limit: number, physicalOffset: number): number;
  findRecord(region: number, from: number, limit: number, physicalOffset: number): number;

  encodeUnit(at: number, physicalOffset: number, size: number, tagsHigh: number, tagsLow: number): void;
  decodeUnit(at: number): void;
  scanUnits(at: number, count: number): number;
  nearUnits(at: number, count: number, hashes: number): number;
  filterUnits(at: number, count: number, hashes: number, base: number): number;

  encodeHeader(
    at: number,
    beginTimestamp: number,
    endTimestamp: number,
    beginOffset: number,
    endOffset: number,
    slotsInUse: number,
    indexCount: number,
  ): void;
  decodeHeader(at: number): void;
  decodeEntry(at: number): void;
  slotAt(head: number, place: number): number;
  indexHash(at: number, length: number): number;
  putKeys(
    head: number,
    changed: number,
    slots: number,
    indexMax: number,
    into: number,
    room: number,
    region: number,
    from: number,
    limit: number,
    physicalOffset: number,
    firstOffset: number,
    skipped: number,
  ): number;
  hasKey(
    at: number,
    available: number,
    topic: number,
    topicLength: number,
    key: number,
    keyLength: number,
    isTag: number,
  ): number;
  followChain(at: number, first: number, next: number, hash: number, slots: number, from: number, to: number): number;
  findEntries(at: number, first: number, count: number, hash: number, from: number, to: number): number;
  replayEntries(
    head: number,
    changed: number,
    slots: number,
    at: number,
    first: number,
    count: number,
    after: number,
    below: number,
    trusting: number,
  ): number;
  entriesFrom(at: number, count: number, physicalOffset: number): number;

  encodeTimerUnit(
    at: number,
    previous: number,
    magic: number,
    writeTime: number,
    delay: number,
    physicalOffset: number,
    recordSize: number,
    topicHash: number,
  ): void;
  encodeTimerBlank(at: number, length: number): void;
  decodeTimerUnit(at: number): number;
  encodeTimerSlot(at: number, time: number, first: number, last: number, num: number): void;

  multiply(a: number, b: number): number;
  power(bytes: number): number;

  readonly result: WebAssembly.Global;
  readonly window: WebAssembly.Global;
  readonly windowBytes: WebAssembly.Global;
  readonly propertiesStage: WebAssembly.Global;
  readonly propertiesStageBytes: WebAssembly.Global;
  readonly bornHostStage: WebAssembly.Global;
  readonly storeHostStage: WebAssembly.Global;
  readonly topicStage: WebAssembly.Global;
  readonly batchEntries: WebAssembly.Global;
  readonly batchEntriesMax: WebAssembly.Global;
  readonly scanEntries: WebAssembly.Global;
  readonly scanEntriesMax: WebAssembly.Global;
  readonly filterHashes: WebAssembly.Global;
  readonly filterHashesMax: WebAssembly.Global;
  readonly filterIndices: WebAssembly.Global;
  readonly filterUnitsMax: WebAssembly.Global;
  readonly recordBytesMin: WebAssembly.Global;
  readonly topicV2BytesMax: WebAssembly.Global;
  readonly propertiesBytesMax: WebAssembly.Global;
  readonly crcPropertyBytes: WebAssembly.Global;
  readonly unitBytes: WebAssembly.Global;
  readonly indexHeaderBytes: WebAssembly.Global;
  readonly indexEntryBytes: WebAssembly.Global;
  readonly indexHeadPageShift: WebAssembly.Global;
  readonly indexFound: WebAssembly.Global;
  readonly indexFoundMax: WebAssembly.Global;
  readonly timerUnitBytes: WebAssembly.Global;
  readonly timerBlankBytes: WebAssembly.Global;
  readonly timerSlotBytes: WebAssembly.Global;
  readonly timerSlots: WebAssembly.Global;
}
