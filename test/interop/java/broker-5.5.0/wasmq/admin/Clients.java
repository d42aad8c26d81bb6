package wasmq.admin;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.OffsetNotFoundException;
import org.apache.rocketmq.client.impl.consumer.DefaultMQPushConsumerImpl;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.body.ConsumeMessageDirectlyResult;
import org.apache.rocketmq.remoting.protocol.header.QueryConsumerOffsetRequestHeader;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.admin.api.MessageTrack;

/** A producer and consumers that are online while commands run, and what administrators' programs call besides. */
final class Clients implements AutoCloseable {
    /** Of a machine that starts several JVMs at once. */
    private static final int TIMEOUT_MS = 30_000;

    private DefaultMQProducer producer;
    private DefaultMQPushConsumer consumer;
    private String topic;
    private final AtomicInteger consumed = new AtomicInteger();

    void run(String[] words, PrintStream out) throws Exception {
        switch (words[0]) {
            case "@produce":
                produce(words[1], words[2], Integer.parseInt(words[3]), out);
                break;
            case "@consume":
                consume(words[1], words[2], words[3], Integer.parseInt(words[4]));
                break;
            case "@consumed":
                untilConsumed(Integer.parseInt(words[1]));
                untilCommitted();
                break;
            case "@clientId":
                out.println(consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getClientId());
                break;
            case "@stop":
                stop();
                break;
            case "@track":
                track(words[1], words[2], words[3], out);
                break;
            case "@directly":
                directly(words, out);
                break;
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    /** The queues in turn; prints the id and the offset id of each message. */
    private void produce(String namesrv, String topic, int count, PrintStream out) throws Exception {
        if (producer == null) {
            producer = new DefaultMQProducer("Producers");
            producer.setNamesrvAddr(namesrv);
            producer.setMqClientApiTimeout(TIMEOUT_MS);
            producer.setInstanceName("producer");
            producer.start();
        }
        List<MessageQueue> queues = new ArrayList<>(producer.fetchPublishMessageQueues(topic));
        queues.sort(null);
        for (int i = 0; i < count; i++) {
            Message message = new Message(topic, i % 2 == 0 ? "TagA" : "TagB", "key" + i, ("m" + i).getBytes(StandardCharsets.UTF_8));
            SendResult sent = producer.send(message, queues.get(i % queues.size()), TIMEOUT_MS);
            out.println(sent.getMsgId() + " " + sent.getOffsetMsgId());
        }
        producer.getDefaultMQProducerImpl().getMqClientFactory().sendHeartbeatToAllBrokerWithLock();
    }

    /** Ends when so many messages were consumed and the broker knows it. */
    private void consume(String namesrv, String group, String topic, int count) throws Exception {
        consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(namesrv);
        consumer.setMqClientApiTimeout(TIMEOUT_MS);
        consumer.setInstanceName("consumer");
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "TagA || TagB");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            consumed.addAndGet(messages.size());
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumed.set(0);
        this.topic = topic;
        consumer.start();
        untilConsumed(count);
        untilCommitted();
    }

    private void untilConsumed(int count) throws Exception {
        long end = System.currentTimeMillis() + 60_000;
        while (consumed.get() < count) {
            if (System.currentTimeMillis() > end) {
                throw new IllegalStateException("consumed " + consumed.get() + " of " + count);
            }
            Thread.sleep(20);
        }
        consumer.getDefaultMQPushConsumerImpl().persistConsumerOffset();
    }

    /**
     * Ends when the broker knows that all of the topic is consumed, and goes on knowing it: a pull, or the client's timer, may have read an
     * offset before the last messages were consumed, and commit it later. The broker is asked on the wire: the client's offset store would
     * put its answer into the table from which it commits.
     */
    private void untilCommitted() throws Exception {
        long end = System.currentTimeMillis() + 60_000;
        int looks = 0;
        while (true) {
            DefaultMQPushConsumerImpl impl = consumer.getDefaultMQPushConsumerImpl();
            impl.persistConsumerOffset();
            Set<MessageQueue> queues = consumer.fetchSubscribeMessageQueues(topic);
            boolean isKnown = true;
            for (MessageQueue queue : queues) {
                isKnown &= committed(impl.getmQClientFactory(), queue) == consumer.maxOffset(queue);
            }
            looks = isKnown ? looks + 1 : 0;
            if (looks == 4) {
                return;
            }
            if (System.currentTimeMillis() > end) {
                throw new IllegalStateException("the broker does not know how far " + queues + " are");
            }
            Thread.sleep(250);
        }
    }

    /** -1 for none. */
    private long committed(MQClientInstance client, MessageQueue queue) throws Exception {
        QueryConsumerOffsetRequestHeader header = new QueryConsumerOffsetRequestHeader();
        header.setConsumerGroup(consumer.getConsumerGroup());
        header.setTopic(queue.getTopic());
        header.setQueueId(queue.getQueueId());
        try {
            return client.getMQClientAPIImpl().queryConsumerOffset(client.findBrokerAddressInPublish(queue.getBrokerName()), header, TIMEOUT_MS);
        } catch (OffsetNotFoundException none) {
            return -1;
        }
    }

    /** Who consumed a message, as the dashboard shows it. */
    private void track(String namesrv, String topic, String id, PrintStream out) throws Exception {
        DefaultMQAdminExt admin = admin(namesrv);
        try {
            MessageExt message = admin.viewMessage(topic, id);
            out.println(message.getTopic() + " " + message.getQueueId() + " " + new String(message.getBody(), StandardCharsets.UTF_8));
            for (MessageTrack track : admin.messageTrackDetail(message)) {
                out.println(track.getConsumerGroup() + " " + track.getTrackType() + " " + track.getExceptionDesc());
            }
        } finally {
            admin.shutdown();
        }
    }

    /** namesrv, group, client id, topic, message id. */
    private void directly(String[] words, PrintStream out) throws Exception {
        DefaultMQAdminExt admin = admin(words[1]);
        try {
            ConsumeMessageDirectlyResult result = admin.consumeMessageDirectly(words[2], words[3], words[4], words[5]);
            out.println(result.getConsumeResult() + " " + result.isOrder() + " " + result.isAutoCommit());
        } finally {
            admin.shutdown();
        }
    }

    private static DefaultMQAdminExt admin(String namesrv) throws Exception {
        DefaultMQAdminExt admin = new DefaultMQAdminExt(10_000);
        admin.setNamesrvAddr(namesrv);
        admin.setInstanceName(Long.toString(System.nanoTime()));
        admin.start();
        return admin;
    }

    private void stop() {
        if (consumer != null) {
            consumer.shutdown();
        }
        if (producer != null) {
            producer.shutdown();
        }
        consumer = null;
        producer = null;
    }

    @Override
    public void close() {
        stop();
    }
}
