package wasmq.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.consumer.store.ReadOffsetType;
import org.apache.rocketmq.client.impl.consumer.DefaultMQPushConsumerImpl;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * A push consumer that prints a "message" line for each message given to its listener, an "assigned" line whenever its share
 * of the queues changes, and a "progress" line whenever the offsets it will commit, or the queues' ends, change. Each line of its
 * standard input is an expression to subscribe by from then on, told by a "subscribed" line; it shuts down when that ends, and
 * tells in a "committed" line which offsets the broker holds of its queues then.
 *
 * <p>--namesrv A --topic T [--group G] [--expression *] [--mode concurrently|orderly|broadcast] [--fail-times N] [--fail-first-of-queue true]
 * [--delay-level N] [--max-reconsume N] [--listener-ms N] [--heartbeat-ms N] [--routes-ms N] [--brief true]
 */
public final class Consume {
  private static final long LOOK_EVERY_MS = 100;
  private static final long COMMIT_WAIT_NS = 10_000_000_000L;

  public static void main(String[] argv) throws Exception {
    Args args = Args.of(argv);
    String topic = args.need("topic");
    String mode = args.or("mode", "concurrently");
    int failTimes = args.intOr("fail-times", 0);
    int delayLevel = args.intOr("delay-level", 0);
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(args.or("group", "ConsumerGroupName"));
    consumer.setNamesrvAddr(args.need("namesrv"));
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, args.or("expression", "*"));
    if (args.has("heartbeat-ms")) consumer.setHeartbeatBrokerInterval(args.intOr("heartbeat-ms", 0));
    if (args.has("routes-ms")) consumer.setPollNameServerInterval(args.intOr("routes-ms", 0));
    if (mode.equals("broadcast")) Broadcasting.of(consumer);
    if (args.has("max-reconsume")) consumer.setMaxReconsumeTimes(args.intOr("max-reconsume", 16));
    if (mode.equals("orderly")) {
      consumer.registerMessageListener((MessageListenerOrderly) (messages, context) ->
          take(args, messages, failTimes) ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT);
    } else {
      consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
        if (take(args, messages, failTimes)) return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        if (delayLevel > 0) context.setDelayLevelWhenNextConsume(delayLevel);
        return ConsumeConcurrentlyStatus.RECONSUME_LATER;
      });
    }
    Patient.start(consumer);
    new Line("started").print();

    // Not by interruption: the client turns that into an error of its own when it hits a request under way.
    AtomicBoolean stopping = new AtomicBoolean();
    Thread watcher = new Thread(() -> watch(consumer, topic, stopping), "watcher");
    watcher.start();
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String expression = input.readLine(); expression != null; expression = input.readLine()) {
      consumer.subscribe(topic, expression);
      new Line("subscribed").put("expression", expression).print();
    }
    stopping.set(true);
    watcher.join();
    if (!mode.equals("broadcast")) commit(consumer, topic, new Line("committed"));
    consumer.shutdown();
    new Line("stopped").print();
    // The 4.9.1 client leaves a thread behind that is no daemon.
    System.exit(0);
  }

  /**
   * Commits until the broker holds what was committed, for so long as a stop may take, and tells of it in a line. The client's own
   * commit at its end is one-way, and a starved machine can lose it together with the process.
   */
  static void commit(DefaultMQPushConsumer consumer, String topic, Line told) throws Exception {
    DefaultMQPushConsumerImpl running = consumer.getDefaultMQPushConsumerImpl();
    long deadline = System.nanoTime() + COMMIT_WAIT_NS;
    Map<Integer, Long> committed = new HashMap<>();
    for (MessageQueue queue : running.getRebalanceImpl().getProcessQueueTable().keySet()) {
      if (!queue.getTopic().equals(topic)) continue;
      long offset = running.getOffsetStore().readOffset(queue, ReadOffsetType.READ_FROM_MEMORY);
      while (offset > 0 && System.nanoTime() < deadline) {
        running.persistConsumerOffset();
        try {
          long held = Committed.of(running.getmQClientFactory(), queue, consumer.getConsumerGroup());
          committed.put(queue.getQueueId(), held);
          if (held >= offset) break;
        } catch (Exception brokerAway) {
          new Line("unreachable").error(brokerAway).print();
          return;
        }
        Thread.sleep(LOOK_EVERY_MS);
      }
    }
    told.putNumbers("offsets", committed).print();
  }

  /** Whether the listener succeeds: a message that came back fewer than failTimes times fails again. */
  private static boolean take(Args args, List<MessageExt> messages, int failTimes) {
    boolean ok = true;
    for (MessageExt message : messages) {
      boolean failing = message.getReconsumeTimes() < failTimes
          || args.has("fail-first-of-queue") && message.getQueueOffset() == 0 && message.getReconsumeTimes() == 0;
      ok = ok && !failing;
      if (args.has("brief")) {
        new Line("message").put("keys", message.getKeys()).put("queueId", message.getQueueId())
            .put("queueOffset", message.getQueueOffset()).print();
      } else {
        new Line("message").put("result", failing ? "fails" : "succeeds").message(message).print();
      }
    }
    try {
      Thread.sleep(args.intOr("listener-ms", 0));
    } catch (InterruptedException stopping) {
      return false;
    }
    return ok;
  }

  private static void watch(DefaultMQPushConsumer consumer, String topic, AtomicBoolean stopping) {
    Set<Integer> lastAssigned = null;
    Map<Integer, Long> lastOffsets = null;
    Map<Integer, Long> lastEnds = null;
    while (!stopping.get()) {
      try {
        Set<Integer> assigned = new TreeSet<>();
        Map<Integer, Long> offsets = new HashMap<>();
        Map<Integer, Long> ends = new HashMap<>();
        for (MessageQueue queue : consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet()) {
          if (!queue.getTopic().equals(topic)) continue;
          assigned.add(queue.getQueueId());
          // Only the memory: asking the broker would put its answer into the very table that is looked at.
          offsets.put(queue.getQueueId(),
              consumer.getDefaultMQPushConsumerImpl().getOffsetStore().readOffset(queue, ReadOffsetType.READ_FROM_MEMORY));
          ends.put(queue.getQueueId(), consumer.maxOffset(queue));
        }
        if (!assigned.equals(lastAssigned)) {
          new Line("assigned").put("queues", assigned.toString()).put("count", assigned.size()).print();
          lastAssigned = assigned;
        }
        if (!offsets.equals(lastOffsets) || !ends.equals(lastEnds)) {
          new Line("progress").putNumbers("offsets", offsets).putNumbers("ends", ends).print();
          lastOffsets = offsets;
          lastEnds = ends;
        }
      } catch (Exception brokerAway) {
        new Line("unreachable").error(brokerAway).print();
      }
      try {
        Thread.sleep(LOOK_EVERY_MS);
      } catch (InterruptedException impossible) {
        return;
      }
    }
  }
}
