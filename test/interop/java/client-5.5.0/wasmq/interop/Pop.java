package wasmq.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.AckCallback;
import org.apache.rocketmq.client.consumer.AckResult;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PopCallback;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.message.MessageRequestMode;
import org.apache.rocketmq.remoting.protocol.header.AckMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ChangeInvisibleTimeRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ExtraInfoUtil;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;

/**
 * Consumers that pop. Does what lines of its standard input say, one after the other, and prints a "done" line for each with its number, or a
 * "refused" line; shuts down when the input ends.
 *
 * <p>--namesrv A --broker NAME
 *
 * <p>mode TOPIC GROUP PULL|POP SHARE; send TOPIC PREFIX COUNT QUEUE|-1; consume BY TOPIC GROUP EXPRESSION FAIL_TIMES (a push consumer that leaves
 * queues to the broker); pop BY TOPIC GROUP MAX INVISIBLE_MS POLL_MS ORDER ATTEMPT|-; ack TOPIC GROUP KEYS; ackall TOPIC GROUP KEYS,KEYS;
 * change TOPIC GROUP KEYS MS. A "popped" line for each message.
 */
public final class Pop {
  private static final long TIMEOUT_MS = 30_000;
  private static final Map<String, MessageExt> held = new HashMap<>();
  private static final List<DefaultMQPushConsumer> consumers = new ArrayList<>();
  private static String namesrv;
  private static String broker;
  private static DefaultMQProducer producer;

  public static void main(String[] argv) throws Exception {
    Args args = Args.of(argv);
    namesrv = args.need("namesrv");
    broker = args.need("broker");
    producer = new DefaultMQProducer("PopProducer");
    producer.setNamesrvAddr(namesrv);
    producer.setSendMsgTimeout((int) TIMEOUT_MS);
    Patient.start(producer);
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    int number = 0;
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      try {
        run(line.trim().split(" "));
      } catch (Exception error) {
        new Line("refused").put("client", line).put("keys", "").error(error).print();
      }
      new Line("done").put("number", number++).print();
    }
    for (DefaultMQPushConsumer consumer : consumers) consumer.shutdown();
    producer.shutdown();
    new Line("stopped").print();
    System.exit(0);
  }

  private static void run(String[] words) throws Exception {
    switch (words[0]) {
      case "mode":
        api().setMessageRequestMode(address(), words[1], words[2], MessageRequestMode.valueOf(words[3]),
            Integer.parseInt(words[4]), TIMEOUT_MS);
        return;
      case "send":
        send(words[1], words[2], Integer.parseInt(words[3]), Integer.parseInt(words[4]));
        return;
      case "consume":
        consume(words[1], words[2], words[3], words[4], Integer.parseInt(words[5]));
        return;
      case "pop":
        pop(words);
        return;
      case "ack":
        ack(words[1], words[2], words[3]);
        return;
      case "ackall":
        ackAll(words[1], words[2], words[3].split(","));
        return;
      case "change":
        change(words[1], words[2], words[3], Long.parseLong(words[4]));
        return;
      default:
        throw new IllegalArgumentException("no command " + words[0]);
    }
  }

  private static void send(String topic, String prefix, int count, int queueId) throws Exception {
    for (int index = 0; index < count; index++) {
      String key = prefix + index;
      Message message = new Message(topic, index % 2 == 0 ? "TagA" : "TagB", key, key.getBytes(StandardCharsets.UTF_8));
      if (queueId < 0) producer.send(message);
      else producer.send(message, new MessageQueue(topic, broker, queueId));
    }
  }

  private static void consume(String by, String topic, String group, String expression, int failTimes) throws Exception {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
    consumer.setNamesrvAddr(namesrv);
    consumer.setInstanceName(by);
    consumer.setClientRebalance(false);
    // A starved client's wish for another time may get lost: what fails comes again soon all the same.
    if (failTimes > 0) consumer.setPopInvisibleTime(20_000);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, expression);
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      boolean ok = true;
      for (MessageExt message : messages) {
        ok = ok && message.getReconsumeTimes() >= failTimes;
        told(by, message);
      }
      return ok ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
    });
    Patient.start(consumer);
    consumers.add(consumer);
  }

  private static void pop(String[] words) throws Exception {
    String group = words[3];
    long pollMs = Long.parseLong(words[6]);
    PopMessageRequestHeader header = new PopMessageRequestHeader();
    header.setTopic(words[2]);
    header.setConsumerGroup(group);
    header.setQueueId(-1);
    header.setMaxMsgNums(Integer.parseInt(words[4]));
    header.setInvisibleTime(Long.parseLong(words[5]));
    header.setPollTime(pollMs);
    header.setBornTime(System.currentTimeMillis());
    header.setInitMode(0);
    header.setExpType("TAG");
    header.setExp("*");
    header.setOrder(Boolean.parseBoolean(words[7]));
    if (!words[8].equals("-")) header.setAttemptId(words[8]);
    CompletableFuture<PopResult> answered = new CompletableFuture<>();
    api().popMessageAsync(broker, address(), header, pollMs + TIMEOUT_MS, new PopCallback() {
      @Override
      public void onSuccess(PopResult result) {
        answered.complete(result);
      }

      @Override
      public void onException(Throwable error) {
        answered.completeExceptionally(error);
      }
    });
    List<MessageExt> found = answered.get(pollMs + TIMEOUT_MS, TimeUnit.MILLISECONDS).getMsgFoundList();
    if (found == null) return;
    for (MessageExt message : found) {
      held.put(group + "/" + message.getKeys(), message);
      told(words[1], message);
    }
  }

  private static void told(String by, MessageExt message) {
    new Line("popped").put("by", by).put("at", System.currentTimeMillis()).put("topic", message.getTopic())
        .put("keys", message.getKeys()).put("tags", message.getTags()).put("queueId", message.getQueueId())
        .put("queueOffset", message.getQueueOffset()).put("reconsumeTimes", message.getReconsumeTimes())
        .put("body", new String(message.getBody(), StandardCharsets.UTF_8)).print();
  }

  private static void ack(String topic, String group, String keys) throws Exception {
    MessageExt message = held.get(group + "/" + keys);
    String handle = message.getProperty(MessageConst.PROPERTY_POP_CK);
    AckMessageRequestHeader header = new AckMessageRequestHeader();
    header.setTopic(ExtraInfoUtil.getRealTopic(ExtraInfoUtil.split(handle), topic, group));
    header.setConsumerGroup(group);
    header.setQueueId(message.getQueueId());
    header.setOffset(message.getQueueOffset());
    header.setExtraInfo(handle);
    asked(callback -> api().ackMessageAsync(address(), TIMEOUT_MS, callback, header), keys);
  }

  private static void ackAll(String topic, String group, String[] keys) throws Exception {
    List<String> handles = new ArrayList<>();
    for (String key : keys) handles.add(held.get(group + "/" + key).getProperty(MessageConst.PROPERTY_POP_CK));
    asked(callback -> api().batchAckMessageAsync(address(), TIMEOUT_MS, callback, topic, group, handles), String.join(",", keys));
  }

  private static void change(String topic, String group, String keys, long ms) throws Exception {
    MessageExt message = held.get(group + "/" + keys);
    String handle = message.getProperty(MessageConst.PROPERTY_POP_CK);
    ChangeInvisibleTimeRequestHeader header = new ChangeInvisibleTimeRequestHeader();
    header.setTopic(ExtraInfoUtil.getRealTopic(ExtraInfoUtil.split(handle), topic, group));
    header.setConsumerGroup(group);
    header.setQueueId(message.getQueueId());
    header.setOffset(message.getQueueOffset());
    header.setExtraInfo(handle);
    header.setInvisibleTime(ms);
    AckResult result = asked(callback -> api().changeInvisibleTimeAsync(broker, address(), header, TIMEOUT_MS, callback), keys);
    message.getProperties().put(MessageConst.PROPERTY_POP_CK, result.getExtraInfo());
  }

  private interface Asking {
    void ask(AckCallback callback) throws Exception;
  }

  private static AckResult asked(Asking asking, String keys) throws Exception {
    CompletableFuture<AckResult> answered = new CompletableFuture<>();
    asking.ask(new AckCallback() {
      @Override
      public void onSuccess(AckResult result) {
        answered.complete(result);
      }

      @Override
      public void onException(Throwable error) {
        answered.completeExceptionally(error);
      }
    });
    AckResult result = answered.get(TIMEOUT_MS, TimeUnit.MILLISECONDS);
    new Line("settled").put("keys", keys).put("status", result.getStatus().name()).print();
    return result;
  }

  private static MQClientInstance instance() {
    return producer.getDefaultMQProducerImpl().getMqClientFactory();
  }

  private static MQClientAPIImpl api() {
    return instance().getMQClientAPIImpl();
  }

  private static String address() {
    return instance().findBrokerAddressInPublish(broker);
  }
}
