package wasmq.interop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.MQPullConsumerScheduleService;
import org.apache.rocketmq.client.consumer.PullCallback;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The pull consumer of old: DefaultMQPullConsumer alone, and in a group by its schedule service. */
final class Pulls {
  static void play(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + scenario.name);
    String topic = scenario.name;
    for (int i = 0; i < 20; i++) {
      Message message = scenario.message(topic, "m" + i);
      message.setTags(i % 2 == 0 ? "TagA" : "TagB");
      // Four queues, five messages each.
      producer.send(message, (queues, m, key) -> queues.get((Integer) key % queues.size()), i);
    }
    DefaultMQPullConsumer consumer = scenario.configure(new DefaultMQPullConsumer(scenario.name));
    consumer.start();
    scenario.closeWith(consumer::shutdown);
    TreeSet<MessageQueue> queues = new TreeSet<>(consumer.fetchSubscribeMessageQueues(topic));
    scenario.told("queues").put("count", queues.size()).print();
    MessageQueue first = queues.first();
    tell(scenario, "some", consumer.pull(first, "*", 0, 3));
    tell(scenario, "rest", consumer.pull(first, "*", 3, 32));
    tell(scenario, "tagged", consumer.pull(queues.last(), "TagB", 0, 32));
    tell(scenario, "unmatched", consumer.pull(first, "TagC || TagD", 0, 32));
    tell(scenario, "at the end", consumer.pull(first, "*", 5, 32));
    tell(scenario, "behind the end", consumer.pull(first, "*", 500, 32));
    CountDownLatch called = new CountDownLatch(1);
    consumer.pull(first, "*", 0, 32, new PullCallback() {
      @Override
      public void onSuccess(PullResult result) {
        tell(scenario, "async", result);
        called.countDown();
      }

      @Override
      public void onException(Throwable error) {
        scenario.told("async").error(error).print();
        called.countDown();
      }
    });
    called.await();
    // Held until the message is there.
    Thread late = new Thread(() -> {
      try {
        Thread.sleep(500);
        producer.send(scenario.message(topic, "late"), first);
      } catch (Exception error) {
        error.printStackTrace();
      }
    });
    late.start();
    tell(scenario, "held", consumer.pullBlockIfNotFound(first, "*", 5, 32));
    late.join();

    scenario.until(() -> committed(consumer, first, 4) == 4, "the commit");
    scenario.told("offset").put("stored", consumer.fetchConsumeOffset(first, true)).put("unknown", consumer.fetchConsumeOffset(queues.last(), true)).print();
    // Given back, it comes by the group's retry topic.
    MessageExt back = consumer.pull(first, "*", 0, 1).getMsgFoundList().get(0);
    consumer.sendMessageBack(back, 1, first.getBrokerName());
    MessageQueue retries = new MessageQueue("%RETRY%" + scenario.name, first.getBrokerName(), 0);
    tell(scenario, "retried", consumer.pullBlockIfNotFound(retries, "*", 0, 32));
  }

  /** Commits by the client are one-way; what is read of the broker takes the place of what was to be committed. */
  private static long committed(DefaultMQPullConsumer consumer, MessageQueue queue, long offset) {
    try {
      consumer.updateConsumeOffset(queue, offset);
      consumer.getOffsetStore().persist(queue);
      return consumer.fetchConsumeOffset(queue, true);
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
  }

  /** Two members by the schedule service: each queue is pulled by one of them, and by the one left when the other goes. */
  static void group(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + scenario.name);
    for (int i = 0; i < 8; i++) producer.send(scenario.message(scenario.name, "m" + i));
    Map<String, String> pulledBy = new ConcurrentHashMap<>();
    Map<String, List<Integer>> queuesOf = new TreeMap<>();
    MQPullConsumerScheduleService one = scheduled(scenario, "one", pulledBy);
    scenario.until(() -> pulledBy.size() == 8, "all messages");
    MQPullConsumerScheduleService two = scheduled(scenario, "two", pulledBy);
    scenario.until(() -> queues(one, scenario.name).size() == 2 && queues(two, scenario.name).size() == 2, "half of the queues each");
    TreeSet<Integer> both = new TreeSet<>(queues(one, scenario.name));
    both.addAll(queues(two, scenario.name));
    scenario.told("shared").put("queues", both.toString()).print();
    one.shutdown();
    scenario.until(() -> queues(two, scenario.name).size() == 4, "all queues");
    Map<String, String> before = new HashMap<>(pulledBy);
    for (int i = 0; i < 8; i++) producer.send(scenario.message(scenario.name, "later" + i));
    scenario.until(() -> pulledBy.size() == 16, "the later ones");
    scenario.told("taken over").put("before", before.size()).put("all", pulledBy.size()).print();
  }

  private static MQPullConsumerScheduleService scheduled(Scenario scenario, String who, Map<String, String> pulledBy) throws Exception {
    MQPullConsumerScheduleService service = new MQPullConsumerScheduleService(scenario.name);
    scenario.configure(service.getDefaultMQPullConsumer());
    service.registerPullTaskCallback(scenario.name, (queue, context) -> {
      DefaultMQPullConsumer consumer = (DefaultMQPullConsumer) context.getPullConsumer();
      context.setPullNextDelayTimeMillis(100);
      try {
        long offset = Math.max(0, consumer.fetchConsumeOffset(queue, false));
        PullResult result = consumer.pull(queue, "*", offset, 32);
        if (result.getPullStatus() == PullStatus.FOUND) {
          for (MessageExt message : result.getMsgFoundList()) pulledBy.put(Scenario.text(message), who);
        }
        consumer.updateConsumeOffset(queue, result.getNextBeginOffset());
      } catch (Exception error) {
        error.printStackTrace();
      }
    });
    service.start();
    scenario.closeWith(service::shutdown);
    return service;
  }

  private static List<Integer> queues(MQPullConsumerScheduleService service, String topic) {
    List<Integer> ids = new ArrayList<>();
    try {
      for (MessageQueue queue : service.getDefaultMQPullConsumer().fetchMessageQueuesInBalance(topic)) ids.add(queue.getQueueId());
    } catch (Exception notYet) {
      // Nothing has been allocated so far.
    }
    return ids;
  }

  private static void tell(Scenario scenario, String what, PullResult result) {
    List<MessageExt> found = result.getMsgFoundList() == null ? List.of() : result.getMsgFoundList();
    scenario.told(what).put("status", result.getPullStatus().name()).put("next", result.getNextBeginOffset()).put("min", result.getMinOffset())
        .put("max", result.getMaxOffset()).put("bodies", String.join(" ", Scenario.texts(found))).print();
  }

  private Pulls() {}
}
