package wasmq.interop;

import java.util.List;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages by their tag: clients of 4.x have no such question. */
final class Tagged {
  static List<MessageExt> find(DefaultMQProducer producer, String topic, String tag) {
    return List.of();
  }

  private Tagged() {}
}
