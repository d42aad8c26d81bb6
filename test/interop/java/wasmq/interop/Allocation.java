package wasmq.interop;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.AllocateMessageQueueStrategy;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMachineRoomNearby;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragelyByCircle;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueByConfig;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueByMachineRoom;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueConsistentHash;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;

/** Every strategy by which three members share out eight queues: a "shared" line each, and who has which queue where that is theirs to say. */
final class Allocation {
  private static final int QUEUES = 8;
  private static final int MEMBERS = 3;

  private static final Map<String, Supplier<AllocateMessageQueueStrategy>> STRATEGIES = new LinkedHashMap<>();

  static {
    STRATEGIES.put("averagely", AllocateMessageQueueAveragely::new);
    STRATEGIES.put("circle", AllocateMessageQueueAveragelyByCircle::new);
    STRATEGIES.put("hash", AllocateMessageQueueConsistentHash::new);
    STRATEGIES.put("room", () -> new InRooms(roomed()));
    STRATEGIES.put("nearby", () -> new AllocateMachineRoomNearby(new AllocateMessageQueueAveragely(), new Rooms()));
  }

  static void play(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + scenario.name);
    producer.setDefaultTopicQueueNums(QUEUES);
    producer.send(scenario.message(scenario.name, "first"));
    Map<String, List<DefaultMQPushConsumer>> groups = new LinkedHashMap<>();
    for (Map.Entry<String, Supplier<AllocateMessageQueueStrategy>> strategy : STRATEGIES.entrySet()) {
      groups.put(strategy.getKey(), members(scenario, strategy.getKey(), MEMBERS, strategy.getValue()));
    }
    // One who takes what he was told, whoever else there is.
    AllocateMessageQueueByConfig config = new AllocateMessageQueueByConfig();
    config.setMessageQueueList(producer.fetchPublishMessageQueues(scenario.name).stream().filter((queue) -> queue.getQueueId() % 2 == 1).collect(Collectors.toList()));
    List<DefaultMQPushConsumer> configured = members(scenario, "config", 1, () -> config);
    List<MessageQueue> queues = new ArrayList<>(producer.fetchPublishMessageQueues(scenario.name));
    queues.sort(null);
    for (Map.Entry<String, List<DefaultMQPushConsumer>> group : groups.entrySet()) {
      AllocateMessageQueueStrategy strategy = STRATEGIES.get(group.getKey()).get();
      scenario.until(() -> isShared(scenario, group.getValue(), strategy, queues), "each queue at one member by " + group.getKey());
      List<Integer> sizes = new ArrayList<>();
      List<String> shares = new ArrayList<>();
      for (DefaultMQPushConsumer consumer : group.getValue()) {
        sizes.add(queues(scenario, consumer).size());
        shares.add(queues(scenario, consumer).toString());
      }
      sizes.sort(null);
      // By the order of their ids, which are those of their instances.
      scenario.told("shared").put("by", group.getKey()).put("sizes", sizes.toString()).put("shares", String.join(" ", shares)).print();
    }
    scenario.until(() -> queues(scenario, configured.get(0)).size() == QUEUES / 2, "the queues that were named");
    scenario.told("configured").put("queues", queues(scenario, configured.get(0)).toString()).print();
  }

  private static List<DefaultMQPushConsumer> members(Scenario scenario, String strategy, int count, Supplier<AllocateMessageQueueStrategy> make)
      throws Exception {
    List<DefaultMQPushConsumer> members = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      DefaultMQPushConsumer consumer = scenario.consumer(scenario.name + "-" + strategy);
      consumer.setInstanceName(strategy + "-" + scenario.name + "-" + i);
      consumer.setAllocateMessageQueueStrategy(make.get());
      consumer.subscribe(scenario.name, "*");
      consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> ConsumeConcurrentlyStatus.CONSUME_SUCCESS);
      consumer.start();
      members.add(consumer);
    }
    return members;
  }

  /** Each queue is at one member, and at the one who gets it where all know of all: those who come later are known later. */
  private static boolean isShared(
      Scenario scenario, List<DefaultMQPushConsumer> members, AllocateMessageQueueStrategy strategy, List<MessageQueue> queues) {
    List<String> ids = members.stream().map(DefaultMQPushConsumer::buildMQClientId).sorted().collect(Collectors.toList());
    Set<Integer> all = new TreeSet<>();
    int count = 0;
    for (DefaultMQPushConsumer member : members) {
      Set<Integer> has = queues(scenario, member);
      List<MessageQueue> gets = strategy.allocate(member.getConsumerGroup(), member.buildMQClientId(), queues, ids);
      if (!has.equals(gets.stream().map(MessageQueue::getQueueId).collect(Collectors.toSet()))) return false;
      all.addAll(has);
      count += has.size();
    }
    return count == QUEUES && all.size() == QUEUES;
  }

  private static Set<Integer> queues(Scenario scenario, DefaultMQPushConsumer consumer) {
    return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
        .filter((queue) -> queue.getTopic().equals(scenario.name)).map(MessageQueue::getQueueId).collect(Collectors.toCollection(TreeSet::new));
  }

  private static AllocateMessageQueueByMachineRoom roomed() {
    AllocateMessageQueueByMachineRoom strategy = new AllocateMessageQueueByMachineRoom();
    strategy.setConsumeridcs(Set.of("room1"));
    return strategy;
  }

  /** All in one room but the member 0, who gets none of the room's queues while others are there. */
  private static final class Rooms implements AllocateMachineRoomNearby.MachineRoomResolver {
    @Override
    public String brokerDeployIn(MessageQueue queue) {
      return "room1";
    }

    @Override
    public String consumerDeployIn(String clientId) {
      return clientId.endsWith("-0") ? "room2" : "room1";
    }
  }

  /** Gives the strategy queues whose brokers are named as it wants them, ROOM@BROKER: a broker's name is a topic's as well, and has no @. */
  private static final class InRooms implements AllocateMessageQueueStrategy {
    private final AllocateMessageQueueStrategy strategy;

    InRooms(AllocateMessageQueueStrategy strategy) {
      this.strategy = strategy;
    }

    @Override
    public List<MessageQueue> allocate(String group, String clientId, List<MessageQueue> queues, List<String> clientIds) {
      List<MessageQueue> roomed = queues.stream().map((queue) -> named(queue, "room1@" + queue.getBrokerName())).collect(Collectors.toList());
      return strategy.allocate(group, clientId, roomed, clientIds).stream().map((queue) -> named(queue, queue.getBrokerName().split("@")[1]))
          .collect(Collectors.toList());
    }

    @Override
    public String getName() {
      return strategy.getName();
    }

    private static MessageQueue named(MessageQueue queue, String broker) {
      return new MessageQueue(queue.getTopic(), broker, queue.getQueueId());
    }
  }

  private Allocation() {}
}
