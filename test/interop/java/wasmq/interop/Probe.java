package wasmq.interop;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Asks what any client may ask about a topic: a "queue" line for each queue (first and end offset, offset committed by the
 * group), a "stored" line for each message pulled from it, a "found" line for each search by time around the store times, a
 * "viewed" line for each id of --view.
 *
 * <p>--namesrv A --topic T [--group G] [--ends-only true] [--search true] [--view id,id]
 */
public final class Probe {
  private static final long DAY_MS = 24 * 60 * 60 * 1000;

  public static void main(String[] argv) throws Exception {
    Args args = Args.of(argv);
    String topic = args.need("topic");
    String group = args.or("group", "ConsumerGroupName");
    // A group of its own: a member of the group asked about would take a share of its queues, until the broker forgets it.
    DefaultMQPullConsumer consumer = new DefaultMQPullConsumer("Probe-" + group);
    consumer.setNamesrvAddr(args.need("namesrv"));
    Patient.start(consumer);
    try {
      for (MessageQueue queue : new TreeSet<>(consumer.fetchSubscribeMessageQueues(topic))) {
        long min = consumer.minOffset(queue);
        long max = consumer.maxOffset(queue);
        MQClientInstance client = consumer.getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory();
        long committed = Committed.of(client, queue, group);
        new Line("queue").put("broker", queue.getBrokerName()).put("queueId", queue.getQueueId()).put("min", min).put("max", max)
            .put("committed", committed).print();
        if (args.has("ends-only")) continue;
        List<MessageExt> stored = pullAll(consumer, queue, min, max);
        for (MessageExt message : stored) new Line("stored").message(message).print();
        if (args.has("search")) search(consumer, queue, stored);
      }
      if (args.has("view")) {
        for (String id : args.need("view").split(",")) view(consumer, topic, id);
      }
    } finally {
      consumer.shutdown();
    }
    new Line("stopped").print();
    // The 4.9.1 client leaves a thread behind that is no daemon.
    System.exit(0);
  }

  private static List<MessageExt> pullAll(DefaultMQPullConsumer consumer, MessageQueue queue, long min, long max)
      throws Exception {
    List<MessageExt> all = new ArrayList<>();
    for (long offset = min; offset < max; ) {
      PullResult result = consumer.pull(queue, "*", offset, 32);
      new Line("pulled").put("queueId", queue.getQueueId()).put("offset", offset).put("status", result.getPullStatus().name())
          .put("next", result.getNextBeginOffset()).put("min", result.getMinOffset()).put("max", result.getMaxOffset()).print();
      if (result.getPullStatus() != PullStatus.FOUND) break;
      all.addAll(result.getMsgFoundList());
      offset = result.getNextBeginOffset();
    }
    return all;
  }

  private static void search(DefaultMQPullConsumer consumer, MessageQueue queue, List<MessageExt> stored) throws Exception {
    TreeSet<Long> times = new TreeSet<>(List.of(0L, System.currentTimeMillis() + DAY_MS));
    for (MessageExt message : stored) {
      for (long near = -1; near <= 1; near++) times.add(message.getStoreTimestamp() + near);
    }
    for (long time : times) {
      new Line("found").put("queueId", queue.getQueueId()).put("time", time).put("offset", consumer.searchOffset(queue, time)).print();
    }
  }

  private static void view(DefaultMQPullConsumer consumer, String topic, String id) {
    try {
      new Line("viewed").put("id", id).message(consumer.viewMessage(topic, id)).print();
    } catch (Exception error) {
      new Line("failed").put("id", id).error(error).print();
    }
  }
}
