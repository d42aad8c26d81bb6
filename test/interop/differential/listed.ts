import type { Difference } from "./compare.ts";

/** Differences that there are to be, and why. What is left out of a rule may be anything. */
interface Rule {
  readonly codes?: readonly number[];
  /** The request's variant. */
  readonly variant?: RegExp;
  /** Where in the answer. */
  readonly path?: RegExp;
  readonly apache?: RegExp;
  readonly wasmq?: RegExp;
  /** Both refused with one code. */
  readonly isRefusal?: true;
  readonly reason: string;
}

/** Of header fields whose value no number of Java's is, among others perhaps. */
const notNumber = /=(?:""|x| 1|1\.5|0x1|1e1|2147483648|9223372036854775808)(?:;|$)/;
const missing = / missing(?:;|$)|^without all fields$/;
/** A whole body that is none, or a member that misses or is of another kind. */
const otherKind = /^(?:after )?body (?:""|null|\{\}|\S+(?: missing|=null|="x"|=-1))$/;
const anyQueue = /\b(?:queueId|e)=-\d+(?:;|$)|^to any queue$/;
const tooLarge = /=(?:9007199254740993|-?9223372036854775807|-9223372036854775808)(?:;|$)/;

const rules: readonly Rule[] = [
  // Of all requests.
  {
    isRefusal: true,
    path: /^fields\./,
    wasmq: /^-$/,
    reason: "A refusal of wasmq has no fields. Apache's have what their header objects begin with: zeros, TRACE_ON.",
  },
  {
    variant: notNumber,
    path: /^code$/,
    wasmq: /^1$/,
    reason: "A field that is no number is told. Apache logs it, and goes on as if it were not there.",
  },
  {
    variant: missing,
    path: /^code$/,
    wasmq: /^1$/,
    reason: "A field that has to be there is told. Apache looks only at some of them, and takes null for a name.",
  },
  {
    variant: otherKind,
    reason:
      "Bodies whose members are of other kinds: fastjson makes texts of numbers and zeros of null, and fails at texts; wasmq makes nothing " +
      "of them, and refuses or passes over what it can't read.",
  },
  {
    variant: tooLarge,
    path: /^code$/,
    wasmq: /^29$/,
    reason: "Numbers that are kept have 53 bits: offsets, places, times. Larger ones are refused.",
  },
  {
    codes: [12, 33],
    variant: /^one-way$/,
    apache: /^0$/,
    wasmq: /^none$/,
    reason: "Apache's query processor answers what asks for no answer.",
  },
  {
    variant: anyQueue,
    path: /^fields\.queueId$/,
    reason: "For no queue in particular either broker takes one by chance.",
  },

  // Reading.
  {
    codes: [11, 361],
    path: /^code$/,
    apache: /^(?:0|19)$/,
    wasmq: /^23$/,
    reason: "A pull whose expression can't be understood is told so. Apache serves it everything.",
  },
  {
    codes: [361],
    variant: /expressionType=""/,
    path: /^code$/,
    apache: /^20$/,
    wasmq: /^0$/,
    reason: "The type of nothing means tags. Apache then forgets to read them, and serves none.",
  },
  {
    codes: [11, 361],
    variant: /maxMsgBytes=|of few bytes|of one byte/,
    path: /^fields\.nextBeginOffset$|^body\./,
    reason: "maxMsgBytes is obeyed, but for the first message. Apache reads it, and serves up to its own limit.",
  },
  {
    codes: [14],
    path: /^code$/,
    apache: /^22$/,
    wasmq: /^0$/,
    reason:
      "A new group begins at 0 of a queue that has had no message: told that there is no offset its client asks for the end, and skips " +
      "what came in between.",
  },
  {
    codes: [321],
    variant: /index=-9223372036854775808/,
    path: /^body$/,
    reason: "Nothing is told of a place before the queue. Apache's counting overflows, and tells of its first.",
  },

  {
    codes: [321],
    variant: /topic=/,
    path: /^code$/,
    apache: /^0$/,
    wasmq: /^1$/,
    reason:
      "There is no ConsumeQueue of a topic that was never written to. Apache makes one for whoever asked for its offsets.",
  },
  {
    codes: [321, 345],
    path: /^body\.(?:filterData|subscriptionData)$/,
    reason:
      "Who reads with an expression of his own subscribes to nothing. Apache keeps the expression as the group's subscription.",
  },

  // Offsets.
  {
    codes: [43],
    path: /^body\.(?:groupTopicMap|pullOffsetTable)\./,
    wasmq: /^-$/,
    reason: "Where each last pulled is kept nowhere: offsets are what is committed.",
  },
  {
    codes: [15, 222],
    variant: /queueId=(?:-1|4|1000|2147483647|-2147483648)$/,
    path: /^code$/,
    apache: /^0$/,
    wasmq: /^29$/,
    reason: "No offset is kept for a queue that there is not: of those there is no end.",
  },
  {
    codes: [14],
    variant: /^after queueId=/,
    path: /^code$/,
    apache: /^0$/,
    wasmq: /^22$/,
    reason: "So it is not found afterwards.",
  },
  {
    codes: [14],
    variant: /^after commitOffset=/,
    path: /^fields\.offset$/,
    reason: "What was refused has not changed the offset. Nor has -1, which Apache keeps, and takes for none.",
  },

  // Sending.
  {
    codes: [310],
    variant: /^of nothing$/,
    apache: /^1$/,
    wasmq: /^0$/,
    reason: "A message may have no body. Apache runs into null.",
  },
  {
    codes: [310],
    variant: /^to a topic that is not for writing$/,
    apache: /^0$/,
    wasmq: /^16$/,
    reason: "A topic's perm counts for sends, too. Apache looks at the broker's alone, and relies on clients.",
  },
  {
    codes: [10, 310, 320],
    variant: /\b(?:f|sysFlag)=(?:4|5|12|64)(?:;|$)|^half by the flag alone$/,
    apache: /^0$/,
    wasmq: /^13$/,
    reason:
      "A sysFlag of transactions or of the broker's own records without what belongs to it. Apache stores what nobody can read.",
  },
  {
    codes: [310],
    variant: /^half and delayed$/,
    apache: /^0$/,
    wasmq: /^13$/,
    reason: "A message of a transaction can't be delayed, as Apache's client has it. Its broker forgets the delay.",
  },
  {
    codes: [10, 310],
    variant: /\b(?:m|batch)=(?:true|TRUE)/,
    apache: /^1$/,
    wasmq: /^13$/,
    reason: "A batch that is none is an illegal message. Apache runs into its decoder.",
  },
  {
    codes: [310, 320],
    variant: /^batch (?:of|with)|^with another body$/,
    apache: /^[01]$/,
    wasmq: /^13$/,
    reason:
      "A batch that is none is an illegal message. Apache runs into its decoder, or stores records that it can't read.",
  },
  {
    codes: [320],
    variant: /\bf=(?:16|32)$/,
    apache: /^1$/,
    wasmq: /^0$/,
    reason:
      "Where a batch comes from is told by its connection, not by the client's sysFlag. Apache fails to write it.",
  },
  {
    codes: [325],
    variant: /\bg=/,
    apache: /^1$/,
    wasmq: /^29$/,
    reason: "Numbers that are kept have 53 bits. Apache finds no member of the group to give the reply to.",
  },

  {
    codes: [325],
    path: /^fields\.msgId$/,
    isRefusal: true,
    reason:
      "A reply with a sysFlag that no message may have is stored nowhere, and has no place. Apache stores what nobody can read.",
  },

  {
    codes: [310],
    variant: /^delayed by |^by level/,
    path: /^fields\.queueOffset$/,
    reason: "The place among all delayed messages, of which Apache has taken more by then: those that wasmq refused.",
  },

  // Transactions.
  {
    codes: [37],
    variant: /^commitOrRollback=0$|^is unknown$/,
    apache: /^none$/,
    wasmq: /^0$/,
    reason: "Whoever waits for an answer gets one.",
  },
  {
    codes: [11, 30],
    variant: /^(?:what is|how much is) in Trans 0$/,
    path: /^fields\.(?:maxOffset|offset)$/,
    reason: "What was committed once, or rolled back, is not committed by another request. Apache stores it once more.",
  },

  // Retries and POP.
  {
    codes: [11],
    variant: /^what is in %RETRY%Back-\d+$/,
    apache: /^19$/,
    wasmq: /^17$/,
    reason: "A message that was not given back, for what is wrong with the request, makes no retry topic.",
  },
  {
    codes: [200_051, 200_053],
    variant: /extraInfo=/,
    apache: /^1$/,
    wasmq: /^13$/,
    reason: "A receipt that is none is illegal. Apache runs into its parser.",
  },
  {
    codes: [200_051, 200_053],
    variant: tooLarge,
    apache: /^208$/,
    reason: "Numbers that are kept have 53 bits. Apache finds no such message.",
  },
  {
    codes: [200_052],
    variant: /maxMsgNums=2147483647/,
    apache: /^1$/,
    wasmq: /^29$/,
    reason: "Too many messages to peek at are told as such. Apache fails to get the memory.",
  },
  {
    codes: [200_151],
    path: /^remark$/,
    apache: /^none$/,
    reason: "A refusal says why.",
  },
  {
    codes: [200_151],
    variant: /^(?:a negative queue|no group|a revive queue that is not there|bits that are none)$/,
    apache: /^[01]$/,
    wasmq: /^13$/,
    reason: "What acknowledges nothing is told. Apache stores it among its acknowledgements.",
  },
  {
    codes: [200_151],
    variant: /^(?:no bits|a retry mark that is none)$/,
    apache: /^1$/,
    wasmq: /^0$/,
    reason:
      "An empty set of messages is acknowledged, and every mark but 1 and 2 is that of the topic. Apache runs into null.",
  },

  // Clients.
  {
    codes: [41],
    variant: /^body mqSet/,
    path: /^body\.lockOKMQSet/,
    reason: "Only queues that there are can be locked.",
  },
  {
    codes: [46],
    path: /^remark$/,
    apache: /^none$/,
    reason: "A refusal says why.",
  },

  {
    codes: [35],
    variant: missing,
    apache: /^1$/,
    wasmq: /^0$/,
    reason: "Who leaves is told by the connection. Apache runs into null, if the group has members.",
  },

  // Administration.
  {
    codes: [17],
    variant: /^(?:readQueueNums|writeQueueNums|perm)=/,
    apache: /^0$/,
    wasmq: /^29$/,
    reason: "A topic has 0 to 32,768 queues of each kind, and the perms there are.",
  },
  {
    codes: [351],
    variant: /^after (?:readQueueNums|writeQueueNums|perm|topicFilterType|topicSysFlag)/,
    path: /^body\.(?:readQueueNums|writeQueueNums|perm|topicSysFlag)$/,
    reason: "What was refused has changed nothing, there and in what is asked behind it.",
  },
  {
    codes: [353],
    apache: /^0$/,
    wasmq: /^(?:17|26)$/,
    reason: "Nothing is forbidden to a group, or in a topic, that there is not: of those there is no end.",
  },
  {
    codes: [21],
    path: /^body\.topicConfigTable\.RMQ_SYS_ROCKSDB_|^fields\.totalTopicNum$|^body\.mappingDataVersion\.timestamp$/,
    reason: "Topics of RocksDB are none of wasmq's, nor are static ones, which mappingDataVersion tells of.",
  },
  {
    codes: [21, 201],
    variant: /(?:dataVersion|maxTopicNum|topicSeq|maxGroupNum|groupSeq)/,
    reason: "Who asks for a part is given all, at once: it is little.",
  },
  {
    codes: [26],
    wasmq: /^-$/,
    path: /^body\./,
    reason: "A setting that does nothing here is not told.",
  },
  {
    codes: [26],
    path: /^fields\.version$|^body\.(?:authenticationEnabled|authorizationEnabled|migrateAuthFromV1Enabled|storePathCommitLog)$/,
    reason:
      "The version counts this broker's own changes; settings of access that Apache has in a config of their own.",
  },
  {
    codes: [303],
    path: /^body\.consumeTimeSpanSet\.\d+\.\w+StampStr$/,
    wasmq: /^-$/,
    reason: "Times are told as numbers. fastjson writes those of Java's getters, too, in the broker's time zone.",
  },
  {
    codes: [317],
    path: /^body\.consumeStatsList/,
    reason: "A question about a group makes none. On Apache groups that were asked about are there afterwards.",
  },
  {
    codes: [354],
    path: /^body\.check(?:Status|Result)$|^code$/,
    reason:
      "There is nothing to check without RocksDB, and that is told at once. Apache begins, or refuses while it is at it.",
  },
  {
    codes: [3001, 3002, 3003, 3004, 3008, 3009],
    path: /^code$/,
    wasmq: /^1$/,
    reason: "Users and ACLs are not there: that is told before the request is looked at.",
  },
  {
    codes: [25, 318],
    apache: /^0$/,
    wasmq: /^16$/,
    reason: "Only some settings can be changed. What changes none of them is refused, nothing too.",
  },

  // NameServer.
  {
    codes: [319],
    path: /^body\./,
    wasmq: /^-$/,
    reason: "A setting that does nothing here is not told.",
  },
  {
    codes: [103],
    path: /^code$/,
    apache: /^1$/,
    wasmq: /^29$/,
    reason: "A body that is none is told as such.",
  },
  {
    codes: [217],
    variant: /^topic=""$/,
    apache: /^0$/,
    wasmq: /^29$/,
    reason: "No topic has that name.",
  },
  {
    codes: [0, 106],
    variant: /^after |^namesrv: /,
    path: /^body\.(?:broker|cluster)AddrTable\./,
    reason: "Brokers and clusters need names. Apache takes each text, and null.",
  },
  {
    codes: [206],
    path: /^body\.topicList\.(?:null|-1)$/,
    reason: "Topics need names. Apache takes what a broker registers.",
  },
  {
    codes: [206],
    variant: /^after (?:104|216|217)$/,
    path: /^body\.topicList\./,
    apache: /^-$/,
    reason:
      "Topics of the broker in the same process are in its NameServer again at once. Apache's broker tells of them some seconds later.",
  },
  {
    codes: [205, 327],
    path: /^fields\.(?:wipe|add)TopicCount$/,
    reason: "So there are more topics of that broker on Apache.",
  },
  {
    codes: [206, 224, 311],
    path: /^body\.topicList\.RMQ_SYS_ROCKSDB_/,
    reason: "Topics of RocksDB are none of wasmq's.",
  },

  // Frames and codes.
  {
    variant: /^to a NameServer$/,
    apache: /^3$/,
    wasmq: /^1$/,
    reason: "All roles are behind each port: a NameServer's understands a broker's codes.",
  },
  {
    codes: [0],
    variant: /^namesrv: (?:without extFields|extFields null|fields that are numbers)$/,
    apache: /^3$/,
    wasmq: /^[01]$/,
    reason: "All roles are behind each port: a NameServer's understands a broker's codes.",
  },
  {
    codes: [0],
    variant: /: (?:header that is|code|single quotes|binary header of 3 bytes|length)/,
    apache: /^(?:none|0)$/,
    wasmq: /^closed$/,
    reason: "Bytes that are no frame end their connection. Apache logs some, and waits; fastjson reads more than JSON.",
  },
  {
    codes: [0],
    variant: /: binary header of zeros$/,
    apache: /^closed$/,
    wasmq: /^none$/,
    reason: "A request with the opaque 0 is answered as such. Apache does not read a header without a language.",
  },
];

/** What no rule lists, and the rules that list nothing: the difference they told of is gone. */
export function unlisted(differences: readonly Difference[]): {
  readonly differences: readonly Difference[];
  readonly reasons: readonly string[];
} {
  const used = new Set<Rule>();
  const left = differences.filter((difference) => {
    const listing = rules.filter((rule) => lists(rule, difference));
    for (const rule of listing) used.add(rule);
    return listing.length === 0;
  });
  return { differences: left, reasons: rules.filter((rule) => !used.has(rule)).map(({ reason }) => reason) };
}

function lists(rule: Rule, { code, variant, path, apache, wasmq, isRefusal }: Difference): boolean {
  return (
    (rule.codes?.includes(code) ?? true) &&
    (rule.variant?.test(variant) ?? true) &&
    (rule.path?.test(path) ?? true) &&
    (rule.apache?.test(apache) ?? true) &&
    (rule.wasmq?.test(wasmq) ?? true) &&
    (rule.isRefusal ?? isRefusal) === isRefusal
  );
}
