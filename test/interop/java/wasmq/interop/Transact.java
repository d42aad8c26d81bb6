package wasmq.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Producers of transactions, and a consumer, that do what lines of the standard input say, one after the other, with a "done" line each;
 * shuts down when the input ends.
 *
 * <p>producer NAME GROUP; send NAME TOPIC OUTCOME KEYS [PROPERTY VALUE] (a "begun" line): OUTCOME is what the local transaction ends with,
 * COMMIT_MESSAGE, ROLLBACK_MESSAGE or UNKNOW. A check (a "checked" line) is answered by what the keys end with: -commit, -rollback, or
 * anything else for UNKNOW; consume TOPIC GROUP (a "message" line each)
 *
 * <p>--namesrv A
 */
public final class Transact {
  private static final Map<String, TransactionMQProducer> producers = new HashMap<>();
  private static final List<DefaultMQPushConsumer> consumers = new ArrayList<>();
  private static String nameServer;

  public static void main(String[] argv) throws Exception {
    nameServer = Args.of(argv).need("namesrv");
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    int number = 0;
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      run(line.trim().split(" "));
      new Line("done").put("number", number++).print();
    }
    for (DefaultMQPushConsumer consumer : consumers) consumer.shutdown();
    for (TransactionMQProducer producer : producers.values()) producer.shutdown();
    new Line("stopped").print();
    // The 4.9.1 client leaves a thread behind that is no daemon.
    System.exit(0);
  }

  private static void run(String[] words) throws Exception {
    switch (words[0]) {
      case "producer":
        producer(words[1], words[2]);
        break;
      case "send":
        send(words);
        break;
      case "consume":
        consume(words[1], words[2]);
        break;
      default:
        throw new IllegalArgumentException("no command " + words[0]);
    }
  }

  private static void producer(String name, String group) throws Exception {
    TransactionMQProducer producer = new TransactionMQProducer(group);
    producer.setNamesrvAddr(nameServer);
    producer.setInstanceName(name);
    producer.setSendMsgTimeout(30_000);
    // A broker knows a producer by its heartbeat, of which the first may come before the client knows a broker.
    producer.setHeartbeatBrokerInterval(1_000);
    producer.setTransactionListener(new TransactionListener() {
      @Override
      public LocalTransactionState executeLocalTransaction(Message message, Object outcome) {
        return (LocalTransactionState) outcome;
      }

      @Override
      public LocalTransactionState checkLocalTransaction(MessageExt message) {
        LocalTransactionState state = LocalTransactionState.UNKNOW;
        if (message.getKeys().endsWith("-commit")) state = LocalTransactionState.COMMIT_MESSAGE;
        if (message.getKeys().endsWith("-rollback")) state = LocalTransactionState.ROLLBACK_MESSAGE;
        new Line("checked").put("client", name).put("state", state.name()).put("transactionId", message.getTransactionId())
            .put("atMs", System.currentTimeMillis()).message(message).print();
        return state;
      }
    });
    Patient.start(producer);
    producers.put(name, producer);
  }

  private static void send(String[] words) throws Exception {
    Message message = new Message(words[2], "TagA", words[4], 7, words[4].getBytes(StandardCharsets.UTF_8), true);
    if (words.length > 6) message.putUserProperty(words[5], words[6]);
    LocalTransactionState outcome = LocalTransactionState.valueOf(words[3]);
    TransactionSendResult result = producers.get(words[1]).sendMessageInTransaction(message, outcome);
    new Line("begun").put("keys", words[4]).put("status", result.getSendStatus().name()).put("msgId", result.getMsgId())
        .put("transactionId", result.getTransactionId()).put("state", result.getLocalTransactionState().name())
        .put("queueId", result.getMessageQueue().getQueueId()).put("queueOffset", result.getQueueOffset()).print();
  }

  private static void consume(String topic, String group) throws Exception {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
    consumer.setNamesrvAddr(nameServer);
    consumer.setInstanceName("consumer");
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt message : messages) new Line("message").put("result", "succeeds").message(message).print();
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    Patient.start(consumer);
    consumers.add(consumer);
  }
}
