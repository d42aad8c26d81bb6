package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// sends sends by every way there is.
func sends(s *scenario) {
	sender := s.producer()
	sync := message(s.name, "sync").WithTag("A").WithKeys([]string{"k1", "k2"})
	sync.WithProperty("p", "größer")
	s.toldSent("sync", s.send(sender, sync))
	answered := make(chan error, 1)
	must(sender.SendAsync(context.Background(), func(_ context.Context, result *primitive.SendResult, err error) {
		if err == nil {
			s.toldSent("async", result)
		}
		answered <- err
	}, message(s.name, "async")))
	must(<-answered)
	must(sender.SendOneWay(context.Background(), message(s.name, "one-way")))
	s.toldSent("batch", s.send(sender, message(s.name, "batch-1").WithTag("B"), message(s.name, "batch-2"), message(s.name, "batch-3")))
	// Compressed by the client, as all of 4 KiB or more.
	s.send(sender, message(s.name, strings.Repeat("long", 5_000)))

	var came seen
	s.consumer(s.name, s.name, every, func(got *primitive.MessageExt) consumer.ConsumeResult {
		body := string(got.Body)
		if len(body) > 100 {
			body = fmt.Sprintf("%s of %d", body[:4], len(body))
		}
		if !came.has(string(got.Body)) {
			s.told("came", fields{"body": body, "tags": got.GetTags(), "keys": got.GetKeys(), "msgId": got.MsgId, "offsetMsgId": got.OffsetMsgId,
				"p": got.GetProperty("p")})
		}
		return came.take(got)
	})
	s.until("all messages", func() bool { return came.count() == 7 })
}

func (s *scenario) toldSent(how string, result *primitive.SendResult) {
	s.told("sent", fields{"how": how, "status": int(result.Status), "msgId": result.MsgID, "offsetMsgId": result.OffsetMsgID})
}

// requestReply has a consumer reply to two requests, and not to a third.
func requestReply(s *scenario) {
	asker, replier := s.producer(), s.producer()
	s.send(replier, message(s.name, "no request"))
	s.consumer(s.name, s.name, every, func(request *primitive.MessageExt) consumer.ConsumeResult {
		if body := string(request.Body); body != "no request" && body != "unheard" {
			reply, err := consumer.CreateReplyMessage(request, []byte(body+"!"))
			if err == nil {
				// The client takes it for properties, and sends none.
				reply.Body = []byte(body + "!")
				replier.SendSync(context.Background(), reply)
			}
		}
		return consumer.ConsumeSuccess
	})
	// A broker knows whom to reply to by its first heartbeat, which may come after its first request.
	s.until("the first reply", func() bool {
		_, err := asker.Request(context.Background(), 2*time.Second, message(s.name, "ready"))
		return err == nil
	})
	for _, body := range []string{"one", "two"} {
		reply, err := asker.Request(context.Background(), 30*time.Second, message(s.name, body))
		must(err)
		s.told("reply", fields{"body": string(reply.Body), "kind": reply.GetProperty(primitive.PropertyMsgType)})
	}
	_, err := asker.Request(context.Background(), time.Second, message(s.name, "unheard"))
	s.told("unheard", fields{"isRefused": err != nil})
}

// delays sends at two levels.
func delays(s *scenario) {
	sender := s.producer()
	s.send(sender, message(s.name, "at once"))
	var came seen
	s.consumer(s.name, s.name, every, func(got *primitive.MessageExt) consumer.ConsumeResult {
		if !came.has(string(got.Body)) {
			s.told("came", fields{"body": string(got.Body), "afterMs": got.StoreTimestamp - got.BornTimestamp,
				"level": got.GetProperty(primitive.PropertyDelayTimeLevel), "topic": got.Topic})
		}
		return came.take(got)
	})
	s.until("the message before", func() bool { return came.count() == 1 })
	s.send(sender, message(s.name, "level 1").WithDelayTimeLevel(1))
	s.send(sender, message(s.name, "level 2").WithDelayTimeLevel(2))
	s.until("both delayed messages", func() bool { return came.count() == 3 })
}

// transacting ends a transaction as its message's body says, at once or when it is asked.
type transacting struct {
	s     *scenario
	lock  sync.Mutex
	asked map[string]bool
}

func (t *transacting) ExecuteLocalTransaction(begun *primitive.Message) primitive.LocalTransactionState {
	switch string(begun.Body) {
	case "committed":
		return primitive.CommitMessageState
	case "rolled back":
		return primitive.RollbackMessageState
	}
	return primitive.UnknowState
}

func (t *transacting) CheckLocalTransaction(asked *primitive.MessageExt) primitive.LocalTransactionState {
	body := string(asked.Body)
	t.lock.Lock()
	defer t.lock.Unlock()
	if !t.asked[body] {
		t.s.told("asked", fields{"about": body, "topic": asked.GetProperty(primitive.PropertyRealTopic), "msgId": asked.MsgId})
	}
	t.asked[body] = true
	if body == "asked, committed" {
		return primitive.CommitMessageState
	}
	return primitive.RollbackMessageState
}

func (t *transacting) wasAsked(body string) bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.asked[body]
}

func transactions(s *scenario) {
	answers := &transacting{s: s, asked: map[string]bool{}}
	sender, err := rocketmq.NewTransactionProducer(answers, s.producerOptions("Transacting-"+s.name)...)
	must(err)
	must(sender.Start())
	s.closeWith(func() { sender.Shutdown() })
	s.send(s.producer(), message(s.name, "before"))
	for _, body := range []string{"committed", "rolled back", "asked, committed", "asked, rolled back"} {
		result, err := sender.SendMessageInTransaction(context.Background(), message(s.name, body))
		must(err)
		s.told("begun", fields{"body": body, "status": int(result.Status), "state": int(result.State)})
	}
	var came seen
	s.consumer(s.name, s.name, every, came.take)
	// Apache's broker may not ask, where others of a batch have ended, before it reads of one that ended later.
	last := time.Now()
	s.until("both questions", func() bool {
		if time.Since(last) > time.Second {
			last = time.Now()
			_, err := sender.SendMessageInTransaction(context.Background(), message(s.name+"-others", "committed"))
			must(err)
		}
		return answers.wasAsked("asked, committed") && answers.wasAsked("asked, rolled back")
	})
	s.until("what was committed", func() bool { return came.has("committed") && came.has("asked, committed") })
	// Whatever was let through is before it, or beside it.
	_, err = sender.SendMessageInTransaction(context.Background(), message(s.name, "committed"))
	must(err)
	s.send(s.producer(), message(s.name, "behind"))
	s.until("the message behind", func() bool { return came.has("behind") })
	s.told("came", fields{"bodies": came.text()})
}
