package wasmq.golden;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.broker.pop.orderly.QueueLevelConsumerManager;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.message.MessageRequestMode;
import org.apache.rocketmq.common.namesrv.NamesrvConfig;
import org.apache.rocketmq.namesrv.NamesrvController;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.remoting.protocol.body.SetMessageRequestModeRequestBody;
import org.apache.rocketmq.remoting.protocol.statictopic.LogicQueueMappingItem;
import org.apache.rocketmq.remoting.protocol.statictopic.TopicQueueMappingDetail;
import org.apache.rocketmq.remoting.protocol.subscription.GroupRetryPolicy;
import org.apache.rocketmq.remoting.protocol.subscription.SimpleSubscriptionData;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/**
 * Writes one of the small stores of test/golden with Apache's own broker, NameServer and clients in one process: config files of every
 * kind, and messages as clients send them. {@code Brokers STORE DIRECTORY NAMESRV_PORT BROKER_PORT}. Prints a "sent" line for each message.
 */
public final class Brokers {
  /** As clients in Go version their subscriptions: nanoseconds, more than a double holds. */
  private static final long NANOSECONDS = 1_700_000_000_123_456_789L;

  public static void main(String[] args) throws Exception {
    boolean killed = args[0].equals("broker_killed");
    String namesrv = "127.0.0.1:" + args[2];
    NamesrvController names = namesrv(Integer.parseInt(args[2]));
    BrokerController broker = broker(args[1], namesrv, Integer.parseInt(args[3]));
    if (!broker.initialize()) throw new IllegalStateException("the broker did not initialize");
    configure(broker);
    broker.start();

    DefaultMQProducer producer = new DefaultMQProducer("GoldenProducer");
    producer.setNamesrvAddr(namesrv);
    producer.setSendMsgTimeout(30_000);
    producer.start();
    untilRouted(producer);
    send(producer);
    transactions(namesrv);
    consume(namesrv);
    if (killed) {
      // Longer than offsets, order and filters wait for being written (10 s).
      Thread.sleep(12_000);
      for (int i = 0; i < 3; i++) {
        sent(producer.send(message("Golden", "late-" + i, "TagL", "late"), queue("Golden", 0)), "late-" + i);
      }
      Runtime.getRuntime().halt(0);
    }
    producer.shutdown();
    broker.shutdown();
    names.shutdown();
    System.exit(0);
  }

  private static NamesrvController namesrv(int port) throws Exception {
    NettyServerConfig server = new NettyServerConfig();
    server.setBindAddress("127.0.0.1");
    server.setListenPort(port);
    NamesrvController names = new NamesrvController(new NamesrvConfig(), server);
    if (!names.initialize()) throw new IllegalStateException("the NameServer did not initialize");
    names.start();
    return names;
  }

  private static BrokerController broker(String directory, String namesrv, int port) throws Exception {
    BrokerConfig config = new BrokerConfig();
    config.setBrokerIP1("127.0.0.1");
    config.setBrokerIP2("127.0.0.1");
    config.setBrokerName("broker-a");
    config.setNamesrvAddr(namesrv);
    config.setEnablePropertyFilter(true);
    NettyServerConfig server = new NettyServerConfig();
    server.setBindAddress("127.0.0.1");
    server.setListenPort(port);
    MessageStoreConfig store = new MessageStoreConfig();
    store.setStorePathRootDir(directory);
    store.setStorePathCommitLog(directory + "/commitlog");
    store.setMappedFileSizeCommitLog(16_384);
    store.setMappedFileSizeConsumeQueue(20 * 50);
    store.setMapperFileSizeBatchConsumeQueue(46 * 50);
    store.setMappedFileSizeTimerLog(52 * 64);
    store.setMaxHashSlotNum(100);
    store.setMaxIndexNum(400);
    store.setEnableCompaction(false);
    store.setHaListenPort(port + 1);
    store.setDiskMaxUsedSpaceRatio(99);
    return new BrokerController(config, server, new NettyClientConfig(), store);
  }

  /** What administrators and clients of all kinds would leave in the config files. */
  private static void configure(BrokerController broker) throws Exception {
    topic(broker, "Golden", 2);
    topic(broker, "GoldenFifo", 2, "+message.type", "FIFO").setOrder(true);
    topic(broker, "GoldenBatch", 1, "+queue.type", "BatchCQ");
    topic(broker, "GoldenDelay", 1, "+message.type", "DELAY", "+reserve.time", "7200000");
    topic(broker, "GoldenTransaction", 1, "+message.type", "TRANSACTION");

    SubscriptionGroupConfig group = new SubscriptionGroupConfig();
    group.setGroupName("GoldenGroup");
    group.setRetryMaxTimes(3);
    group.setConsumeTimeoutMinute(20);
    group.setGroupRetryPolicy(new GroupRetryPolicy());
    group.setSubscriptionDataSet(new HashSet<>(Collections.singletonList(
        new SimpleSubscriptionData("Golden", "TAG", "TagA || TagB", NANOSECONDS))));
    broker.getSubscriptionGroupManager().updateSubscriptionGroupConfig(group);
    SubscriptionGroupConfig orderly = new SubscriptionGroupConfig();
    orderly.setGroupName("GoldenOrderly");
    orderly.setConsumeMessageOrderly(true);
    broker.getSubscriptionGroupManager().updateSubscriptionGroupConfig(orderly);
    broker.getSubscriptionGroupManager().setForbidden("GoldenOrderly", "Golden", 1);

    broker.getConsumerFilterManager().register("Golden", "GoldenFilter", "a > 5", "SQL92", NANOSECONDS);
    ((QueueLevelConsumerManager) broker.getConsumerOrderInfoManager()).update("attempt-1", false, "GoldenFifo",
        "GoldenOrderly", 0, System.currentTimeMillis(), 600_000L, Arrays.asList(100L, 101L, 103L), new StringBuilder());

    TopicQueueMappingDetail mapping = new TopicQueueMappingDetail("GoldenStatic", 2, "broker-a", 1L);
    List<LogicQueueMappingItem> items = new ArrayList<>();
    items.add(new LogicQueueMappingItem(0, 0, "broker-a", 0, 0, -1, -1, -1));
    ConcurrentMap<Integer, List<LogicQueueMappingItem>> hosted = new ConcurrentHashMap<>();
    hosted.put(0, items);
    mapping.setHostedQueues(hosted);
    mapping.setCurrIdMap(new ConcurrentHashMap<>(Collections.singletonMap(0, 0)));
    topic(broker, "GoldenStatic", 1);
    broker.getTopicQueueMappingManager().updateTopicQueueMapping(mapping, false, true, true);

    SetMessageRequestModeRequestBody mode = new SetMessageRequestModeRequestBody();
    mode.setTopic("Golden");
    mode.setConsumerGroup("GoldenPop");
    mode.setMode(MessageRequestMode.POP);
    mode.setPopShareQueueNum(-1);
    broker.getQueryAssignmentProcessor().getMessageRequestModeManager().setMessageRequestMode("Golden", "GoldenPop", mode);
    broker.getQueryAssignmentProcessor().getMessageRequestModeManager().persist();
  }

  private static TopicConfig topic(BrokerController broker, String name, int queues, String... attributes) {
    TopicConfig topic = new TopicConfig(name, queues, queues, 6);
    for (int i = 0; i < attributes.length; i += 2) topic.getAttributes().put(attributes[i], attributes[i + 1]);
    broker.getTopicConfigManager().updateTopicConfig(topic);
    return topic;
  }

  private static void send(DefaultMQProducer producer) throws Exception {
    sent(producer.send(message("Golden", "plain", null, null), queue("Golden", 0)), "plain");
    sent(producer.send(message("Golden", "tagged", "TagA", "k1 k2"), queue("Golden", 0)), "tagged");
    Message filtered = message("Golden", "filtered", "TagB", null);
    filtered.putUserProperty("a", "6");
    sent(producer.send(filtered, queue("Golden", 1)), "filtered");
    sent(producer.send(message("Golden", "compressed ".repeat(500), "TagA", "large"), queue("Golden", 1)), (String) null);
    sent(producer.send(message("Golden", "again", "TagA", "again"), queue("Golden", 1)), "again");

    List<Message> batch = new ArrayList<>();
    for (int i = 0; i < 3; i++) batch.add(message("Golden", "batch-" + i, "TagB", "bk" + i));
    sent(producer.send(batch, queue("Golden", 1)), "batch-0", "batch-1", "batch-2");
    List<Message> inner = new ArrayList<>();
    for (int i = 0; i < 3; i++) inner.add(message("GoldenBatch", "inner-" + i, "TagI", "ik" + i));
    producer.send(inner, queue("GoldenBatch", 0));

    for (int i = 0; i < 3; i++) {
      Message ordered = message("GoldenFifo", "ordered-" + i, null, null);
      sent(producer.send(ordered, (queues, m, order) -> queues.get(1), i), "ordered-" + i);
    }
    Message delayed = message("GoldenDelay", "delayed", "TagD", "delayed");
    delayed.setDelayTimeLevel(1);
    producer.send(delayed, queue("GoldenDelay", 0));
    Message parked = message("GoldenDelay", "parked", "TagD", "parked");
    parked.setDelayTimeLevel(18);
    producer.send(parked, queue("GoldenDelay", 0));
    Message timer = message("GoldenDelay", "timer", "TagD", "timer");
    timer.setDelayTimeSec(2);
    producer.send(timer, queue("GoldenDelay", 0));
    Message later = message("GoldenDelay", "timer parked", "TagD", "timerParked");
    later.setDelayTimeSec(24 * 3600);
    producer.send(later, queue("GoldenDelay", 0));
  }

  /** One is committed, one rolled back, one left open. */
  private static void transactions(String namesrv) throws Exception {
    TransactionMQProducer producer = new TransactionMQProducer("GoldenTransactions");
    producer.setNamesrvAddr(namesrv);
    producer.setSendMsgTimeout(30_000);
    producer.setTransactionListener(new TransactionListener() {
      @Override
      public LocalTransactionState executeLocalTransaction(Message message, Object state) {
        return (LocalTransactionState) state;
      }

      @Override
      public LocalTransactionState checkLocalTransaction(MessageExt message) {
        return LocalTransactionState.UNKNOW;
      }
    });
    producer.start();
    for (LocalTransactionState state : LocalTransactionState.values()) {
      producer.sendMessageInTransaction(message("GoldenTransaction", state.name(), "TagT", state.name()), state);
    }
    // Operations are written 3 s after the first of them.
    Thread.sleep(4_000);
    producer.shutdown();
  }

  /** A group that reads all, and fails one message once; one that filters by properties. */
  private static void consume(String namesrv) throws Exception {
    AtomicInteger read = new AtomicInteger();
    AtomicInteger filtered = new AtomicInteger();
    DefaultMQPushConsumer all = consumer(namesrv, "GoldenGroup");
    all.subscribe("Golden", "*");
    all.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      MessageExt message = messages.get(0);
      if ("again".equals(message.getKeys()) && message.getReconsumeTimes() == 0) {
        context.setDelayLevelWhenNextConsume(1);
        return ConsumeConcurrentlyStatus.RECONSUME_LATER;
      }
      read.incrementAndGet();
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    all.start();
    DefaultMQPushConsumer some = consumer(namesrv, "GoldenSql");
    some.subscribe("Golden", MessageSelector.bySql("a > 5"));
    some.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      filtered.addAndGet(messages.size());
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    some.start();
    for (int waited = 0; read.get() < 8 || filtered.get() < 1; waited++) {
      if (waited > 60) throw new IllegalStateException("read " + read + ", filtered " + filtered);
      Thread.sleep(1_000);
    }
    Thread.sleep(1_000);
    all.shutdown();
    some.shutdown();
    // The broker writes what is left every 5 and 10 s, and when it stops.
    Thread.sleep(1_000);
  }

  private static DefaultMQPushConsumer consumer(String namesrv, String group) {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
    consumer.setNamesrvAddr(namesrv);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    return consumer;
  }

  private static void untilRouted(DefaultMQProducer producer) throws Exception {
    for (int waited = 0; ; waited++) {
      try {
        if (!producer.fetchPublishMessageQueues("GoldenFifo").isEmpty()) return;
      } catch (Exception notYet) {
        if (waited > 60) throw notYet;
      }
      Thread.sleep(1_000);
    }
  }

  private static MessageQueue queue(String topic, int queueId) {
    return new MessageQueue(topic, "broker-a", queueId);
  }

  private static Message message(String topic, String body, String tags, String keys) {
    Message message = new Message(topic, body.getBytes(StandardCharsets.UTF_8));
    if (tags != null) message.setTags(tags);
    if (keys != null) message.setKeys(keys);
    return message;
  }

  /** A body of null was stored compressed. */
  private static void sent(SendResult result, String... bodies) {
    String[] ids = result.getOffsetMsgId().split(",");
    for (int i = 0; i < bodies.length; i++) {
      Map<String, Object> line = Lines.line("sent");
      line.put("topic", result.getMessageQueue().getTopic());
      line.put("queueId", result.getMessageQueue().getQueueId());
      line.put("queueOffset", result.getQueueOffset() + i);
      line.put("physicalOffset", Long.parseLong(ids[i].substring(16), 16));
      line.put("text", bodies[i]);
      Lines.print(line);
    }
  }
}
