export type { ErrorCode } from "../ports/error.ts";
export { WasmqError } from "../ports/error.ts";
export type { Carrier, Line, LineEvents } from "./carrier.ts";
export { Client, type ClientOptions } from "./client.ts";
export type { ClientClock } from "./clock.ts";
export { ClientError } from "./error.ts";
export { type Acceptor, inProcess } from "./in-process.ts";
export type { ConsumeContext, ConsumeResult, MessageListener } from "./listening.ts";
export type { Message, MessageQueue, ReceivedMessage, Reply } from "./message.ts";
export { type MessagePortOptions, messagePort, type ServeOptions, serve } from "./message-port.ts";
export { MemoryOffsetStore, type OffsetStore } from "./offset-store.ts";
export type { Producer, ProducerOptions, SendOptions, SendResult, SendStatus } from "./producer.ts";
export type { PullResult, PullStatus } from "./pull.ts";
export type { PullConsumer, PullConsumerOptions, PullOptions, ReadOptions } from "./pull-consumer.ts";
export type { ConsumeFrom, PushConsumer, PushConsumerOptions } from "./push-consumer.ts";
export type { QueryOptions } from "./query.ts";
export type { ReceiveOptions, SimpleConsumer, SimpleConsumerOptions } from "./simple-consumer.ts";
export type { Filter } from "./subscription.ts";
export type {
  TransactionOutcome,
  TransactionProducer,
  TransactionProducerOptions,
  TransactionSendResult,
} from "./transaction-producer.ts";
export { type OpenSocket, openLine, webSocket } from "./web-socket.ts";
