package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

const wait = 90 * time.Second

var instances int32

// scenario is what a play has: clients that are each a process of its own in the eyes of a broker, shut down behind it.
type scenario struct {
	namesrv string
	// Of its topics and groups.
	name   string
	number int

	lock     sync.Mutex
	closings []func()
}

// told says a line of what was found.
func (s *scenario) told(what string, more fields) {
	line := fields{"event": "told", "of": s.number, "what": what}
	for name, value := range more {
		line[name] = value
	}
	say(line)
}

func (s *scenario) closeWith(closing func()) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.closings = append(s.closings, closing)
}

func (s *scenario) close() {
	s.lock.Lock()
	defer s.lock.Unlock()
	for i := len(s.closings) - 1; i >= 0; i-- {
		s.closings[i]()
	}
}

func (s *scenario) resolver() primitive.NsResolver {
	return primitive.NewPassthroughResolver([]string{s.namesrv})
}

func instance() string {
	return fmt.Sprintf("go-%d-%d", os.Getpid(), atomic.AddInt32(&instances, 1))
}

func (s *scenario) producerOptions(group string, more ...producer.Option) []producer.Option {
	return append([]producer.Option{
		producer.WithNsResolver(s.resolver()),
		producer.WithInstanceName(instance()),
		producer.WithGroupName(group),
		producer.WithSendMsgTimeout(30 * time.Second),
	}, more...)
}

func (s *scenario) producer(more ...producer.Option) rocketmq.Producer {
	made, err := rocketmq.NewProducer(s.producerOptions("Senders-"+s.name, more...)...)
	must(err)
	must(made.Start())
	s.closeWith(func() { made.Shutdown() })
	return made
}

type listener func(*primitive.MessageExt) consumer.ConsumeResult

// consumer is one from the first message on, started, with one message a call.
func (s *scenario) consumer(group, topic string, selector consumer.MessageSelector, listen listener, more ...consumer.Option) rocketmq.PushConsumer {
	// One whose topic has no route yet gives up, for good.
	var made rocketmq.PushConsumer
	s.until("a route of "+topic, func() bool {
		var err error
		made, err = rocketmq.NewPushConsumer(append(s.consumerOptions(group), more...)...)
		must(err)
		must(made.Subscribe(topic, selector, func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			result := consumer.ConsumeSuccess
			for _, message := range messages {
				result = listen(message)
			}
			return result, nil
		}))
		return made.Start() == nil
	})
	s.closeWith(func() { made.Shutdown() })
	return made
}

func (s *scenario) consumerOptions(group string) []consumer.Option {
	return []consumer.Option{
		consumer.WithNsResolver(s.resolver()),
		consumer.WithInstance(instance()),
		consumer.WithGroupName(group),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	}
}

func (s *scenario) until(what string, holds func() bool) {
	for deadline := time.Now().Add(wait); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			panic(fmt.Sprintf("waited %s for %s", wait, what))
		}
	}
}

// send sends again what a starved machine answers too late: the client's 3 s are fixed. What is there twice has one unique key.
func (s *scenario) send(from rocketmq.Producer, messages ...*primitive.Message) *primitive.SendResult {
	var result *primitive.SendResult
	s.until("an answer to a send", func() bool {
		var err error
		result, err = from.SendSync(context.Background(), messages...)
		return err == nil
	})
	return result
}

func message(topic, body string) *primitive.Message {
	return primitive.NewMessage(topic, []byte(body))
}

var every = consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}

// seen is what consumers were given, body by body.
type seen struct {
	lock   sync.Mutex
	bodies map[string]int
}

func (s *seen) take(message *primitive.MessageExt) consumer.ConsumeResult {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.bodies == nil {
		s.bodies = map[string]int{}
	}
	s.bodies[string(message.Body)]++
	return consumer.ConsumeSuccess
}

func (s *seen) count() int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return len(s.bodies)
}

func (s *seen) has(body string) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.bodies[body] > 0
}

func (s *seen) text() string {
	s.lock.Lock()
	defer s.lock.Unlock()
	var bodies []string
	for body := range s.bodies {
		bodies = append(bodies, body)
	}
	sort.Strings(bodies)
	return strings.Join(bodies, " ")
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
