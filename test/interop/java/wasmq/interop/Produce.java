package wasmq.interop;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;

/**
 * Sends one or more batches (divided by --then) with one producer and prints a "sent" or "failed" line for each message.
 *
 * <p>--namesrv A --topic T [--group G] [--mode sync|async|oneway|orderly] [--count 10] [--tags TagA,TagB] [--keys prefix]
 * [--property name=value] [--client-body-bytes-max N] [--compress-over-bytes N] and one of [--text "Hello RocketMQ "] [--repeated-bytes N]
 * [--random-bytes N]
 */
public final class Produce {
  private static final int ORDERS = 8;

  public static void main(String[] argv) throws Exception {
    List<Args> batches = Args.batches(argv);
    Args first = batches.get(0);
    DefaultMQProducer producer = new DefaultMQProducer(first.or("group", "ProducerGroupName"));
    producer.setNamesrvAddr(first.need("namesrv"));
    // A machine that starts several JVMs at once may be slower than the 3 s that the client gives a send.
    producer.setSendMsgTimeout(30_000);
    // The client itself refuses bodies above 4 MiB; raised, the broker is the one to answer.
    if (first.has("client-body-bytes-max")) producer.setMaxMessageSize(first.intOr("client-body-bytes-max", 0));
    if (first.has("compress-over-bytes")) producer.setCompressMsgBodyOverHowmuch(first.intOr("compress-over-bytes", 0));
    producer.start();
    try {
      for (int batch = 0; batch < batches.size(); batch++) send(producer, batches.get(batch), batch);
    } finally {
      producer.shutdown();
    }
    new Line("stopped").print();
    // The 4.9.1 client leaves a thread behind that is no daemon.
    System.exit(0);
  }

  private static void send(DefaultMQProducer producer, Args args, int batch) throws Exception {
    int count = args.intOr("count", 10);
    String mode = args.or("mode", "sync");
    CountDownLatch answered = new CountDownLatch(count);
    for (int index = 0; index < count; index++) {
      Message message = message(args, index);
      Line sent = new Line("sent").put("batch", batch).put("index", index).body(message.getBody());
      Line failed = new Line("failed").put("batch", batch).put("index", index);
      try {
        switch (mode) {
          case "sync":
            print(sent, producer.send(message));
            break;
          case "orderly":
            print(sent, producer.send(message, (queues, m, order) -> queues.get((Integer) order % queues.size()), index % ORDERS));
            break;
          case "oneway":
            producer.sendOneway(message);
            sent.put("msgId", message.getProperty("UNIQ_KEY")).print();
            break;
          case "async":
            producer.send(message, new SendCallback() {
              @Override
              public void onSuccess(SendResult result) {
                print(sent, result);
                answered.countDown();
              }

              @Override
              public void onException(Throwable error) {
                failed.error(error).print();
                answered.countDown();
              }
            });
            break;
          default:
            throw new IllegalArgumentException("no mode " + mode);
        }
      } catch (Exception error) {
        failed.error(error).print();
        answered.countDown();
      }
    }
    if (mode.equals("async")) answered.await();
  }

  private static Message message(Args args, int index) throws Exception {
    Message message = new Message(args.need("topic"), body(args, index));
    if (args.has("tags")) {
      String[] tags = args.need("tags").split(",");
      message.setTags(tags[index % tags.length]);
    }
    if (args.has("keys")) message.setKeys(args.need("keys") + index);
    if (args.has("property")) {
      String[] nameAndValue = args.need("property").split("=", 2);
      message.putUserProperty(nameAndValue[0], nameAndValue[1]);
    }
    return message;
  }

  private static byte[] body(Args args, int index) {
    if (args.has("random-bytes")) {
      byte[] body = new byte[args.intOr("random-bytes", 0)];
      new Random(index).nextBytes(body);
      return body;
    }
    if (args.has("repeated-bytes")) {
      byte[] body = new byte[args.intOr("repeated-bytes", 0)];
      for (int at = 0; at < body.length; at++) body[at] = (byte) ('a' + (at + index) % 26);
      return body;
    }
    if (args.or("mode", "sync").equals("orderly")) {
      return ("order " + index % ORDERS + " step " + index / ORDERS).getBytes(StandardCharsets.UTF_8);
    }
    return (args.or("text", "Hello RocketMQ ") + index).getBytes(StandardCharsets.UTF_8);
  }

  private static void print(Line sent, SendResult result) {
    sent.put("status", result.getSendStatus().name())
        .put("msgId", result.getMsgId())
        .put("offsetMsgId", result.getOffsetMsgId())
        .put("broker", result.getMessageQueue().getBrokerName())
        .put("queueId", result.getMessageQueue().getQueueId())
        .put("queueOffset", result.getQueueOffset())
        .print();
  }
}
