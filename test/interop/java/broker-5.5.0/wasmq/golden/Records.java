package wasmq.golden;

import java.lang.reflect.Field;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.SystemClock;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageExtBatch;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;
import org.apache.rocketmq.store.AppendMessageResult;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.PutMessageResult;
import org.apache.rocketmq.store.PutMessageStatus;
import org.apache.rocketmq.store.config.FlushDiskType;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;
import org.apache.rocketmq.store.timer.TimerCheckpoint;
import org.apache.rocketmq.store.timer.TimerMessageStore;
import org.apache.rocketmq.store.timer.TimerMetrics;

/**
 * Writes one of the small stores of test/golden with Apache's own DefaultMessageStore, and prints a "sent" line for each message it was
 * given: {@code Records STORE DIRECTORY}. Its clock stands still between messages, so that two runs write the same CommitLog.
 */
public final class Records {
  private static final long BORN = 1_700_000_000_000L;
  private static final String UNIQUE = "7F0000010001251A69D70000000A";

  private static volatile long now = 1_700_000_100_000L;
  private static DefaultMessageStore store;

  public static void main(String[] args) throws Exception {
    String name = args[0];
    String directory = args[1];
    MessageStoreConfig config = config(directory);
    switch (name) {
      case "store":
        open(config);
        everyKind();
        // Over the end of the first file: a blank.
        for (int i = 0; i < 10; i++) put(message("TopicB", 0, "fill-" + i + "-" + ".".repeat(200), "TAGS", "F"));
        break;
      case "store_crc":
        config.setEnabledAppendPropCRC(true);
        config.setForceVerifyPropCRC(true);
        open(config);
        everyKind();
        break;
      case "store_ext":
        config.setMappedFileSizeCommitLog(8192);
        config.setEnableConsumeQueueExt(true);
        config.setMappedFileSizeConsumeQueueExt(4096);
        open(config);
        everyKind();
        break;
      case "store_lmq":
        config.setMappedFileSizeCommitLog(8192);
        config.setEnableLmq(true);
        config.setEnableMultiDispatch(true);
        open(config);
        everyKind();
        put(message("TopicA", 0, "lmq", "INNER_MULTI_DISPATCH", "%LMQ%q1,%LMQ%q2"));
        break;
      case "store_index":
        // Index files of 15 keys in 8 slots: they are full in the middle of a message.
        config.setMappedFileSizeCommitLog(8192);
        config.setMaxHashSlotNum(8);
        config.setMaxIndexNum(16);
        open(config);
        keys();
        break;
      case "store_killed":
        open(config);
        for (int i = 0; i < 24; i++) {
          put(message("TopicK", i % 3, "killed-" + i + "-" + "x".repeat(300), "KEYS", "k" + i, "TAGS", "Tag" + i % 2));
        }
        Thread.sleep(1_500);
        for (int i = 24; i < 28; i++) put(message("TopicK", i % 3, "late-" + i, "KEYS", "k" + i));
        Runtime.getRuntime().halt(0);
        break;
      case "store_timer":
        config.setMappedFileSizeCommitLog(8192);
        timers(config, directory);
        break;
      default:
        throw new IllegalArgumentException(name);
    }
    // The thread that dispatches polls every millisecond, the one that flushes queues every second.
    Thread.sleep(1_500);
    store.shutdown();
    System.exit(0);
  }

  private static MessageStoreConfig config(String directory) {
    MessageStoreConfig config = new MessageStoreConfig();
    config.setStorePathRootDir(directory);
    config.setStorePathCommitLog(directory + "/commitlog");
    config.setMappedFileSizeCommitLog(4096);
    config.setMappedFileSizeConsumeQueue(20 * 50);
    config.setMapperFileSizeBatchConsumeQueue(46 * 50);
    config.setMaxHashSlotNum(100);
    config.setMaxIndexNum(400);
    config.setMappedFileSizeTimerLog(52 * 64);
    config.setFlushDiskType(FlushDiskType.ASYNC_FLUSH);
    config.setCleanFileForciblyEnable(false);
    config.setDiskMaxUsedSpaceRatio(99);
    return config;
  }

  private static void open(MessageStoreConfig config) throws Exception {
    BrokerConfig broker = new BrokerConfig();
    broker.setBrokerIP1("127.0.0.1");
    broker.setBrokerIP2("127.0.0.1");
    ConcurrentMap<String, TopicConfig> topics = new ConcurrentHashMap<>();
    TopicConfig batches = new TopicConfig("BatchTopic");
    batches.getAttributes().put("queue.type", "BatchCQ");
    topics.put("BatchTopic", batches);
    store = new DefaultMessageStore(config, new BrokerStatsManager(broker), (a, b, c, d, e, f, g) -> {}, broker, topics);
    Field clock = DefaultMessageStore.class.getDeclaredField("systemClock");
    clock.setAccessible(true);
    clock.set(store, new SystemClock() {
      @Override
      public long now() {
        return now;
      }
    });
    if (!store.load()) throw new IllegalStateException("the store did not load");
    store.start();
  }

  /** One record of each kind that section 2 of the format has. */
  private static void everyKind() throws Exception {
    put(message("TopicA", 0, "hello"));
    put(message("TopicA", 0, "with-tags", "UNIQ_KEY", UNIQUE + "0001", "KEYS", "k1 k2", "TAGS", "TagA", "WAIT", "true"));
    put(message("SCHEDULE_TOPIC_XXXX", 2, "delayed", "DELAY", "3", "REAL_TOPIC", "TopicA", "REAL_QID", "1", "TAGS", "TagA"));
    putBatch("TopicA", 1);
    MessageExtBrokerInner sixes = message("TopicA", 0, "v6");
    sixes.setBornHost(new InetSocketAddress(InetAddress.getByName("2001:db8::1"), 1234));
    sixes.setStoreHost(new InetSocketAddress(InetAddress.getByName("::1"), 10911));
    put(sixes);
    put(message("RMQ_SYS_TRANS_HALF_TOPIC", 0, "half-body", "UNIQ_KEY", UNIQUE + "0002", "TRAN_MSG", "true", "PGROUP", "PG",
        "REAL_TOPIC", "TopicA", "REAL_QID", "0"));
    MessageExtBrokerInner prepared = message("TopicA", 0, "prepared");
    prepared.setSysFlag(MessageSysFlag.TRANSACTION_PREPARED_TYPE);
    put(prepared);
    put(message("RMQ_SYS_TRANS_OP_HALF_TOPIC", 0, "0,", "TAGS", "d"));
    // Only topics of retries may be longer than 127 characters.
    put(message("%RETRY%" + "x".repeat(121), 0, "v2"));
    MessageExtBrokerInner inner = message("BatchTopic", 0, "", "INNER_NUM", "3");
    inner.setBody(MessageDecoder.encodeMessages(batch()));
    inner.setSysFlag(MessageSysFlag.INNER_BATCH_FLAG | MessageSysFlag.NEED_UNWRAP_FLAG);
    put(inner);
    MessageExtBrokerInner committed = message("TopicA", 0, "committed");
    committed.setSysFlag(MessageSysFlag.TRANSACTION_COMMIT_TYPE);
    committed.setPreparedTransactionOffset(777);
    put(committed);
  }

  /** Keys that meet in a slot, have one hash, are there twice, have empty pieces between, are no ASCII. */
  private static void keys() throws Exception {
    String[] texts = {
      "Aa", "BB", "Aa BB", "one two", "one  two", " lead", "trail ", "twice twice", "größe €", "𝄞", "a#b", "x".repeat(100),
      "C#D", "last",
    };
    for (int i = 0; i < texts.length; i++) {
      put(message("TopicI", i % 2, "body-" + i, "UNIQ_KEY", UNIQUE + String.format("%04X", i), "KEYS", texts[i], "TAGS",
          i % 3 == 0 ? "TagA" : "TagB"));
      // Index files are named by the millisecond.
      Thread.sleep(20);
    }
    put(message("TopicI", 0, "without keys"));
    put(message("TopicI", 0, "a tag alone", "TAGS", "TagA"));
    MessageExtBrokerInner prepared = message("TopicI", 1, "prepared", "KEYS", "prepared");
    prepared.setSysFlag(MessageSysFlag.TRANSACTION_PREPARED_TYPE);
    put(prepared);
    MessageExtBrokerInner rollback = message("TopicI", 1, "rolled back", "KEYS", "rollback");
    rollback.setSysFlag(MessageSysFlag.TRANSACTION_ROLLBACK_TYPE);
    put(rollback);
  }

  private static void timers(MessageStoreConfig config, String directory) throws Exception {
    open(config);
    TimerCheckpoint checkpoint = new TimerCheckpoint(directory + "/config/timercheck");
    TimerMetrics metrics = new TimerMetrics(directory + "/config/timermetrics");
    TimerMessageStore timers =
        new TimerMessageStore(store, config, checkpoint, metrics, new BrokerStatsManager(store.getBrokerConfig()));
    store.setTimerMessageStore(timers);
    if (!timers.load()) throw new IllegalStateException("the timers did not load");
    timers.start(true);
    long clock = System.currentTimeMillis();
    String hour = String.valueOf((clock + 3_600_000L) / 1000 * 1000);
    String days = String.valueOf((clock + 3 * 86_400_000L - 1000) / 1000 * 1000);
    String topic = "rmq_sys_wheel_timer";
    put(message(topic, 0, "t1", "TIMER_OUT_MS", hour, "TIMER_DELAY_SEC", "3600", "REAL_TOPIC", "TopicA", "REAL_QID", "0",
        "UNIQ_KEY", UNIQUE + "0009"));
    put(message(topic, 0, "t2", "TIMER_OUT_MS", hour, "REAL_TOPIC", "TopicA", "REAL_QID", "0", "UNIQ_KEY", UNIQUE + "000A"));
    put(message(topic, 0, "t3", "TIMER_OUT_MS", days, "REAL_TOPIC", "TopicA", "REAL_QID", "0"));
    put(message(topic, 0, "0", "TIMER_OUT_MS", hour, "TIMER_DEL_UNIQKEY", UNIQUE + "000A", "REAL_TOPIC", "TopicA", "REAL_QID",
        "0"));
    Thread.sleep(2_500);
    timers.shutdown();
  }

  private static MessageExtBrokerInner message(String topic, int queueId, String body, String... properties)
      throws Exception {
    MessageExtBrokerInner message = new MessageExtBrokerInner();
    fill(message, topic, queueId);
    message.setBody(body.getBytes(StandardCharsets.UTF_8));
    MessageAccessor.setProperties(message, new TreeMap<>());
    for (int i = 0; i < properties.length; i += 2) {
      MessageAccessor.putProperty(message, properties[i], properties[i + 1]);
    }
    message.setPropertiesString(MessageDecoder.messageProperties2String(message.getProperties()));
    return message;
  }

  private static void fill(MessageExt message, String topic, int queueId) throws Exception {
    message.setTopic(topic);
    message.setQueueId(queueId);
    message.setBornTimestamp(BORN);
    message.setBornHost(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 1234));
    message.setStoreHost(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 10911));
  }

  private static List<Message> batch() {
    List<Message> messages = new ArrayList<>();
    for (int i = 0; i < 3; i++) messages.add(new Message("TopicA", "TagB", "bk" + i, ("batch" + i).getBytes()));
    return messages;
  }

  private static void put(MessageExtBrokerInner message) {
    // A store time of its own for each record.
    now += 1_000;
    AppendMessageResult result = appended(store.putMessage(message));
    Map<String, Object> line = sent(message, message.getBody(), message.getPropertiesString());
    line.put("physicalOffset", result.getWroteOffset());
    line.put("queueOffset", result.getLogicsOffset());
    Lines.print(line);
  }

  private static void putBatch(String topic, int queueId) throws Exception {
    now += 1_000;
    MessageExtBatch batch = new MessageExtBatch();
    fill(batch, topic, queueId);
    batch.setBody(MessageDecoder.encodeMessages(batch()));
    AppendMessageResult result = appended(store.putMessages(batch));
    String[] ids = result.getMsgId().split(",");
    List<Message> messages = batch();
    for (int i = 0; i < messages.size(); i++) {
      Message one = messages.get(i);
      String properties = MessageDecoder.messageProperties2String(one.getProperties());
      Map<String, Object> line = sent(batch, one.getBody(), properties);
      line.put("physicalOffset", Long.parseLong(ids[i].substring(16), 16));
      line.put("queueOffset", result.getLogicsOffset() + i);
      Lines.print(line);
    }
  }

  private static Map<String, Object> sent(MessageExt message, byte[] body, String properties) {
    Map<String, Object> line = Lines.line("sent");
    line.put("topic", message.getTopic());
    line.put("queueId", message.getQueueId());
    line.put("flag", message.getFlag());
    line.put("sysFlag", message.getSysFlag());
    line.put("bornTimestamp", message.getBornTimestamp());
    line.put("bornHost", address(message.getBornHost()));
    line.put("storeTimestamp", now);
    line.put("storeHost", address(message.getStoreHost()));
    line.put("reconsumeTimes", message.getReconsumeTimes());
    line.put("preparedTransactionOffset", message.getPreparedTransactionOffset());
    line.put("body", Base64.getEncoder().encodeToString(body));
    line.put("properties", properties);
    return line;
  }

  private static List<Object> address(Object host) {
    InetSocketAddress address = (InetSocketAddress) host;
    return Arrays.asList(address.getAddress().getHostAddress(), address.getPort());
  }

  private static AppendMessageResult appended(PutMessageResult result) {
    if (result.getPutMessageStatus() != PutMessageStatus.PUT_OK) {
      throw new IllegalStateException(String.valueOf(result.getPutMessageStatus()));
    }
    return result.getAppendMessageResult();
  }
}
