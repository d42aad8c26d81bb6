package wasmq.interop;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;

/**
 * Sends without end from several threads, whatever becomes of the broker, and prints an "acked" line as soon as an answer is
 * seen. Each message has a key of its own. Stops when its standard input ends.
 *
 * <p>--namesrv A --topic T [--group G] [--threads 4] [--body-bytes 200] [--pause-ms 2]
 */
public final class Load {
  private static final long AFTER_FAILURE_MS = 50;

  public static void main(String[] argv) throws Exception {
    Args args = Args.of(argv);
    DefaultMQProducer producer = new DefaultMQProducer(args.or("group", "ProducerGroupName"));
    producer.setNamesrvAddr(args.need("namesrv"));
    Patient.start(producer);
    AtomicBoolean stopping = new AtomicBoolean();
    AtomicLong failures = new AtomicLong();
    Thread[] senders = new Thread[args.intOr("threads", 4)];
    for (int sender = 0; sender < senders.length; sender++) {
      int name = sender;
      senders[sender] = new Thread(() -> send(producer, args, name, stopping, failures));
      senders[sender].start();
    }
    while (System.in.read() >= 0) {}
    stopping.set(true);
    for (Thread sender : senders) sender.join();
    producer.shutdown();
    new Line("stopped").put("failures", failures.get()).print();
    // The 4.9.1 client leaves a thread behind that is no daemon.
    System.exit(0);
  }

  private static void send(DefaultMQProducer producer, Args args, int sender, AtomicBoolean stopping, AtomicLong failures) {
    byte[] body = new byte[args.intOr("body-bytes", 200)];
    for (int number = 0; !stopping.get(); number++) {
      String key = sender + "-" + number;
      byte[] head = (key + " ").getBytes(StandardCharsets.UTF_8);
      System.arraycopy(head, 0, body, 0, head.length);
      try {
        SendResult result = producer.send(new Message(args.need("topic"), "TagA", key, body.clone()));
        // FLUSH_DISK_TIMEOUT and its like are answers without the promise.
        if (result.getSendStatus() == SendStatus.SEND_OK) new Line("acked").put("keys", key).print();
        Thread.sleep(args.intOr("pause-ms", 2));
      } catch (Exception brokerAway) {
        if (failures.getAndIncrement() % 100 == 0) new Line("failed").error(brokerAway).print();
        try {
          Thread.sleep(AFTER_FAILURE_MS);
        } catch (InterruptedException impossible) {
          return;
        }
      }
    }
  }
}
