package wasmq.interop;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Sends messages with properties to one queue and consumes them by SQL92 expressions, as each kind of consumer: a "filtered" line tells which
 * keys one was given, or what it was told instead. The last message has the property last=1, by which a consumer knows that it
 * has seen all; expressions have to hold of it.
 *
 * <p>--namesrv A --topic T --group G --messages "a=1,b=2;;a=3" [--expression E]... by --then; the first of them is pushed, too. --broken E
 */
public final class Filter {
  private static final long WAIT_S = 60;

  public static void main(String[] argv) {
    try {
      run(Args.batches(argv));
      new Line("stopped").print();
      // The 4.9.1 client leaves a thread behind that is no daemon.
      System.exit(0);
    } catch (Exception error) {
      error.printStackTrace();
      System.exit(1);
    }
  }

  private static void run(List<Args> all) throws Exception {
    Args args = all.get(0);
    String topic = args.need("topic");
    produce(args, topic);
    String first = args.need("expression");
    told("push", first, () -> pushed(args, args.need("group"), first));
    told("lite", first, () -> litePulled(args, first));
    DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(args.need("group") + "-pull");
    consumer.setNamesrvAddr(args.need("namesrv"));
    Patient.start(consumer);
    untilVersionIsKnown(consumer, topic);
    for (Args one : all) {
      String expression = one.need("expression");
      told("pull", expression, () -> pulled(consumer, topic, expression));
    }
    String broken = args.need("broken");
    told("push", broken, () -> pushed(args, args.need("group") + "-broken", broken));
    told("pull", broken, () -> pulled(consumer, topic, broken));
    consumer.shutdown();
  }

  private interface Consumer {
    List<String> keys() throws Exception;
  }

  private static void told(String by, String expression, Consumer consumer) {
    try {
      new Line("filtered").put("by", by).put("expression", expression).put("keys", String.join(" ", consumer.keys())).print();
    } catch (Exception error) {
      new Line("filtered").put("by", by).put("expression", expression).error(error).print();
    }
  }

  private static void produce(Args args, String topic) throws Exception {
    DefaultMQProducer producer = new DefaultMQProducer("FilterProducer");
    producer.setNamesrvAddr(args.need("namesrv"));
    producer.setSendMsgTimeout(30_000);
    Patient.start(producer);
    int index = 0;
    for (String properties : (args.need("messages") + ";last=1").split(";", -1)) {
      Message message = new Message(topic, "TagA", "m" + index++, "body".getBytes());
      for (String property : properties.isEmpty() ? new String[0] : properties.split(",")) {
        message.putUserProperty(property.split("=")[0], property.split("=")[1]);
      }
      producer.send(message, (queues, sent, queueId) -> queues.get(0), 0);
    }
    producer.shutdown();
  }

  private static List<String> pushed(Args args, String group, String expression) throws Exception {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
    consumer.setNamesrvAddr(args.need("namesrv"));
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(args.need("topic"), MessageSelector.bySql(expression));
    List<String> keys = new ArrayList<>();
    CountDownLatch seenLast = new CountDownLatch(1);
    consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
      if (add(messages, keys)) seenLast.countDown();
      return ConsumeOrderlyStatus.SUCCESS;
    });
    try {
      Patient.start(consumer);
      if (!seenLast.await(WAIT_S, TimeUnit.SECONDS)) throw new IllegalStateException("the last message did not come");
      return keys;
    } finally {
      consumer.shutdown();
    }
  }

  private static List<String> litePulled(Args args, String expression) throws Exception {
    DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(args.need("group") + "-lite");
    consumer.setNamesrvAddr(args.need("namesrv"));
    RouteTimeout.of(consumer);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(args.need("topic"), MessageSelector.bySql(expression));
    consumer.start();
    try {
      List<String> keys = new ArrayList<>();
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
      while (System.nanoTime() < deadline) if (add(consumer.poll(1_000), keys)) return keys;
      throw new IllegalStateException("the last message did not come");
    } finally {
      consumer.shutdown();
    }
  }

  /** The client pulls by SQL92 only where it knows the broker's version, which a heartbeat's answer brings. */
  private static void untilVersionIsKnown(DefaultMQPullConsumer consumer, String topic) throws Exception {
    MQClientInstance client = consumer.getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory();
    client.updateTopicRouteInfoFromNameServer(topic);
    MessageQueue queue = consumer.fetchSubscribeMessageQueues(topic).iterator().next();
    for (long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S); ; Thread.sleep(100)) {
      client.sendHeartbeatToAllBrokerWithLock();
      try {
        consumer.pull(queue, MessageSelector.bySql("TRUE"), 0, 1);
        return;
      } catch (MQClientException unknown) {
        boolean isIt = String.valueOf(unknown.getMessage()).contains("does not upgrade");
        if (!isIt || System.nanoTime() > deadline) throw unknown;
      }
    }
  }

  private static List<String> pulled(DefaultMQPullConsumer consumer, String topic, String expression) throws Exception {
    List<String> keys = new ArrayList<>();
    Set<MessageQueue> queues = consumer.fetchSubscribeMessageQueues(topic);
    for (MessageQueue queue : queues) {
      long end = consumer.maxOffset(queue);
      for (long offset = 0; offset < end; ) {
        PullResult result = consumer.pull(queue, MessageSelector.bySql(expression), offset, 32);
        if (result.getMsgFoundList() != null) add(result.getMsgFoundList(), keys);
        if (result.getNextBeginOffset() <= offset) throw new IllegalStateException("it stands at " + offset);
        offset = result.getNextBeginOffset();
      }
    }
    return keys;
  }

  /** Whether the last one is among them. */
  private static boolean add(List<MessageExt> messages, List<String> keys) {
    boolean isLast = false;
    for (MessageExt message : messages) {
      if (message.getProperty("last") != null) isLast = true;
      else keys.add(message.getKeys());
    }
    return isLast;
  }
}
