package wasmq.interop;

import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.common.protocol.heartbeat.MessageModel;

/** MessageModel moved to another package between 4.x and 5.x: the one import that differs. */
final class Broadcasting {
  static void of(DefaultMQPushConsumer consumer) {
    consumer.setMessageModel(MessageModel.BROADCASTING);
  }

  private Broadcasting() {}
}
