package wasmq.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * One client while brokers take turns on a store: it does what lines of its standard input say, side by side, and prints a "done"
 * line for each with its number, a "failed" line before it if it could not be done. A message's name is the first line of its body.
 *
 * <p>send KIND TOPIC PREFIX COUNT: an "accepted" line for each message PREFIX0, PREFIX1...; KIND is plain, compressed, tagged,
 * keyed, batch, delayed-LEVEL, committed, rolled-back or undecided (a transaction that is ended at once, or, told "decide", by
 * a commit when the broker asks) <br>
 * load TOPIC PREFIX THREADS, unload: sends without end, an "acked" line for each answer, until told to stop <br>
 * consume NAME TOPIC GROUP [RETRIED]: a "delivered" line for each message; those whose name begins with RETRIED are sent back once <br>
 * leave NAME: a clean end, with a "committed" line; quit NAME: an end without a broker <br>
 * positions TOPIC GROUP: a "position" line for each queue <br>
 * view TOPIC ID,ID: a "viewed" line for the message of each id; query TOPIC KEY,KEY: an "answer" line for each message that has
 * the key, an "unanswered" one for none
 */
public final class Exchange {
  private static final int RETRIED_LEVEL = 2;
  private static final int ASKED_MAX = 64;
  private static final long AFTER_FAILURE_MS = 50;
  private static final int TRIES_MORE = 5;
  private static final int HEARTBEAT_MS = 1_000;
  private static final int LOOK_EVERY_MS = 1_000;
  /** Another client's instances must not have the same names. */
  private static final String OWN = "-" + ProcessHandle.current().pid();

  private final String nameServer;
  private final DefaultMQProducer producer = new DefaultMQProducer("ExchangeProducer");
  private final TransactionMQProducer transactions = new TransactionMQProducer("ExchangeTransactions");
  private final DefaultMQPullConsumer asker = new DefaultMQPullConsumer("ExchangeAsker");
  private final Map<String, DefaultMQPushConsumer> consumers = new ConcurrentHashMap<>();
  private final Map<String, String> topics = new ConcurrentHashMap<>();
  private final List<Thread> loading = new ArrayList<>();
  private volatile AtomicBoolean unloading = new AtomicBoolean();
  private volatile boolean decided;

  public static void main(String[] argv) throws Exception {
    Exchange exchange = new Exchange(Args.of(argv).need("namesrv"));
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    int number = 0;
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] words = line.trim().split(" ");
      int command = number++;
      new Thread(() -> exchange.run(words, command)).start();
    }
    // Whatever it still has goes with its process.
    new Line("stopped").print();
    System.exit(0);
  }

  private Exchange(String nameServer) throws Exception {
    this.nameServer = nameServer;
    producer.setNamesrvAddr(nameServer);
    producer.setInstanceName("producer" + OWN);
    producer.setSendMsgTimeout(30_000);
    Patient.start(producer);
    transactions.setNamesrvAddr(nameServer);
    transactions.setInstanceName("transactions" + OWN);
    transactions.setSendMsgTimeout(30_000);
    // The broker asks the producers that it knows of.
    transactions.setHeartbeatBrokerInterval(HEARTBEAT_MS);
    transactions.setTransactionListener(new TransactionListener() {
      @Override
      public LocalTransactionState executeLocalTransaction(Message message, Object kind) {
        if (kind.equals("committed")) return LocalTransactionState.COMMIT_MESSAGE;
        return kind.equals("rolled-back") ? LocalTransactionState.ROLLBACK_MESSAGE : LocalTransactionState.UNKNOW;
      }

      @Override
      public LocalTransactionState checkLocalTransaction(MessageExt message) {
        // Also asked of those whose end the broker did not live to hear.
        if (nameOf(message).startsWith("rolled-back")) return LocalTransactionState.ROLLBACK_MESSAGE;
        return decided || nameOf(message).startsWith("committed") ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.UNKNOW;
      }
    });
    Patient.start(transactions);
    asker.setNamesrvAddr(nameServer);
    asker.setInstanceName("asker" + OWN);
    Patient.start(asker);
  }

  private void run(String[] words, int number) {
    try {
      for (int left = TRIES_MORE; !isDone(words, left > 0); left--) sleep(AFTER_FAILURE_MS);
    } catch (Exception error) {
      new Line("failed").put("command", String.join(" ", words)).error(error).print();
    }
    new Line("done").put("number", number).print();
  }

  /** False if it is to be tried again: a starved machine may take longer than the 3 s that a client gives what it only asks for. */
  private boolean isDone(String[] words, boolean again) throws Exception {
    try {
      command(words);
      return true;
    } catch (Exception error) {
      boolean harmless = !words[0].equals("send") && !words[0].equals("load");
      if (again && harmless && String.valueOf(error).contains("Timeout")) return false;
      throw error;
    }
  }

  private void command(String[] words) throws Exception {
    switch (words[0]) {
      case "send":
        send(words[1], words[2], words[3], Integer.parseInt(words[4]));
        break;
      case "decide":
        decided = true;
        break;
      case "load":
        load(words[1], words[2], Integer.parseInt(words[3]));
        break;
      case "unload":
        unload();
        break;
      case "consume":
        consume(words[1], words[2], words[3], words.length > 4 ? words[4] : null);
        break;
      case "leave":
        leave(words[1]);
        break;
      case "quit":
        consumers.remove(words[1]).shutdown();
        break;
      case "positions":
        positions(words[1], words[2]);
        break;
      case "view":
        view(words[1], words[2].split(","));
        break;
      case "query":
        query(words[1], words[2].split(","));
        break;
      default:
        throw new IllegalArgumentException("no command " + words[0]);
    }
  }

  private void send(String kind, String topic, String prefix, int count) throws Exception {
    List<Message> messages = new ArrayList<>();
    for (int index = 0; index < count; index++) messages.add(message(kind, topic, prefix, index));
    if (kind.equals("batch")) {
      SendResult result = producer.send(messages);
      String[] ids = result.getOffsetMsgId().split(",");
      for (int index = 0; index < count; index++) accepted(kind, messages.get(index), result, ids[index], index);
      return;
    }
    boolean transaction = kind.equals("committed") || kind.equals("rolled-back") || kind.equals("undecided");
    for (Message message : messages) {
      SendResult result = transaction ? transactions.sendMessageInTransaction(message, kind) : producer.send(message);
      accepted(kind, message, result, result.getOffsetMsgId(), 0);
    }
  }

  private static Message message(String kind, String topic, String prefix, int index) {
    String name = prefix + index;
    StringBuilder body = new StringBuilder(name).append('\n');
    for (int i = 0; body.length() < (kind.equals("compressed") ? 10_000 : 1_000); i++) body.append((char) ('a' + (i + index) % 26));
    Message message = new Message(topic, body.toString().getBytes(StandardCharsets.UTF_8));
    if (kind.equals("tagged")) message.setTags(index % 2 == 0 ? "TagA" : "TagB");
    if (kind.equals("keyed")) message.setKeys(name + " " + prefix + "all");
    if (kind.startsWith("delayed-")) message.setDelayTimeLevel(Integer.parseInt(kind.substring("delayed-".length())));
    return message;
  }

  private static void accepted(String kind, Message message, SendResult result, String offsetMsgId, int behind) {
    if (result.getSendStatus() != SendStatus.SEND_OK) throw new IllegalStateException(String.valueOf(result));
    new Line("accepted").put("kind", kind).put("topic", message.getTopic()).put("name", nameOf(message))
        .put("msgId", message.getProperty("UNIQ_KEY")).put("offsetMsgId", offsetMsgId)
        .put("queueId", result.getMessageQueue().getQueueId()).put("queueOffset", result.getQueueOffset() + behind)
        .put("tags", message.getTags()).put("keys", message.getKeys()).body(message.getBody()).print();
  }

  private void load(String topic, String prefix, int threads) {
    AtomicBoolean stopping = new AtomicBoolean();
    unloading = stopping;
    for (int sender = 0; sender < threads; sender++) {
      String own = prefix + sender + "-";
      Thread thread = new Thread(() -> {
        for (int index = 0; !stopping.get(); index++) {
          Message message = message("plain", topic, own, index);
          try {
            // FLUSH_DISK_TIMEOUT and its like are answers without the promise.
            SendStatus status = producer.send(message, 3_000).getSendStatus();
            if (status == SendStatus.SEND_OK) new Line("acked").put("keys", nameOf(message)).print();
          } catch (Exception brokerAway) {
            sleep(AFTER_FAILURE_MS);
          }
        }
      });
      loading.add(thread);
      thread.start();
    }
  }

  private void unload() throws InterruptedException {
    unloading.set(true);
    for (Thread thread : loading) thread.join();
    loading.clear();
  }

  private void consume(String name, String topic, String group, String retried) throws Exception {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
    consumer.setNamesrvAddr(nameServer);
    consumer.setInstanceName(name);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    // The route of its retry topic is there only once the broker has heard of the group.
    consumer.setPollNameServerInterval(LOOK_EVERY_MS);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) ->
        take(name, messages.get(0), retried, context));
    try {
      Patient.start(consumer);
    } catch (Exception notStarted) {
      consumer.shutdown();
      throw notStarted;
    }
    topics.put(name, topic);
    consumers.put(name, consumer);
  }

  private static ConsumeConcurrentlyStatus take(
      String name, MessageExt message, String retried, ConsumeConcurrentlyContext context) {
    new Line("delivered").put("consumer", name).put("name", nameOf(message)).put("topic", message.getTopic())
        .put("queueId", message.getQueueId()).put("queueOffset", message.getQueueOffset()).put("msgId", message.getMsgId())
        .put("tags", message.getTags()).put("keys", message.getKeys()).put("reconsumeTimes", message.getReconsumeTimes())
        .put("storeTimestamp", message.getStoreTimestamp()).body(message.getBody()).print();
    boolean again = retried != null && nameOf(message).startsWith(retried) && message.getReconsumeTimes() == 0;
    if (!again) return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    context.setDelayLevelWhenNextConsume(RETRIED_LEVEL);
    return ConsumeConcurrentlyStatus.RECONSUME_LATER;
  }

  private void leave(String name) throws Exception {
    DefaultMQPushConsumer consumer = consumers.remove(name);
    Consume.commit(consumer, topics.get(name), new Line("committed").put("consumer", name));
    consumer.shutdown();
  }

  private void positions(String topic, String group) throws Exception {
    MQClientInstance client = asker.getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory();
    List<Line> lines = new ArrayList<>();
    Set<MessageQueue> queues = new TreeSet<>(asker.fetchSubscribeMessageQueues(topic));
    for (MessageQueue queue : queues) {
      lines.add(new Line("position").put("topic", topic).put("group", group).put("queueId", queue.getQueueId())
          .put("min", asker.minOffset(queue)).put("max", asker.maxOffset(queue)).put("committed", Committed.of(client, queue, group)));
    }
    for (Line line : lines) line.print();
  }

  private void view(String topic, String[] ids) throws Exception {
    List<Line> lines = new ArrayList<>();
    for (String id : ids) lines.add(new Line("viewed").put("id", id).message(asker.viewMessage(topic, id)));
    for (Line line : lines) line.print();
  }

  private void query(String topic, String[] keys) throws Exception {
    List<Line> lines = new ArrayList<>();
    for (String key : keys) {
      try {
        for (MessageExt message : asker.queryMessage(topic, key, ASKED_MAX, 0, Long.MAX_VALUE).getMessageList()) {
          lines.add(new Line("answer").put("key", key).put("name", nameOf(message)).message(message));
        }
      } catch (MQClientException none) {
        lines.add(new Line("unanswered").put("key", key).error(none));
      }
    }
    for (Line line : lines) line.print();
  }

  private static String nameOf(Message message) {
    String body = new String(message.getBody(), StandardCharsets.UTF_8);
    return body.substring(0, Math.max(0, body.indexOf('\n')));
  }

  private static void sleep(long ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException impossible) {
      Thread.currentThread().interrupt();
    }
  }
}
