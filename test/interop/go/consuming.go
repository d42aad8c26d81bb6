package main

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// filters has one consumer take tags, and another what an expression holds for.
func filters(s *scenario) {
	sender := s.producer()
	for i := 0; i < 24; i++ {
		// "Aa" and "BB" have one hash code in Java.
		sent := message(s.name, fmt.Sprintf("m%02d", i)).WithTag([]string{"Aa", "BB", "C"}[i%3])
		sent.WithProperty("n", fmt.Sprint(i))
		if i%2 == 0 {
			sent.WithProperty("even", "yes")
		}
		s.send(sender, sent)
	}
	for by, one := range map[string]struct {
		selector consumer.MessageSelector
		count    int
	}{
		"tags": {consumer.MessageSelector{Type: consumer.TAG, Expression: "Aa || C"}, 16},
		"sql":  {consumer.MessageSelector{Type: consumer.SQL92, Expression: "n BETWEEN 5 AND 15 AND even IS NOT NULL OR TAGS = 'C'"}, 11},
	} {
		var came seen
		s.consumer(s.name+"-"+by, s.name, one.selector, came.take)
		s.until("what the filter lets through", func() bool { return came.count() >= one.count })
		s.told("came", fields{"by": by, "bodies": came.text()})
	}
}

// group shares a topic's queues between two members, then leaves them to one, then to a third that begins where they left.
func group(s *scenario) {
	sender := s.producer()
	send := func(prefix string) {
		for i := 0; i < 20; i++ {
			s.send(sender, message(s.name, fmt.Sprintf("%s%d", prefix, i)))
		}
	}
	send("before-")
	var first, second, third seen
	one := s.consumer(s.name, s.name, every, first.take)
	s.until("the messages before", func() bool { return first.count() == 20 })
	two := s.consumer(s.name, s.name, every, second.take)
	for round := 0; second.count() == 0; round++ {
		if round == 60 {
			panic("the second member has no queues")
		}
		send(fmt.Sprintf("shared-%d-", round))
		time.Sleep(time.Second)
	}
	must(one.Shutdown())
	send("left-")
	s.until("all that is sent to the member that stayed", func() bool {
		for i := 0; i < 20; i++ {
			if !second.has(fmt.Sprintf("left-%d", i)) {
				return false
			}
		}
		// A shutdown commits without the messages whose listeners have yet to return: the next member would have them again.
		return two.GetOffsetDiffMap()[s.name] == 0
	})
	must(two.Shutdown())
	send("next-")
	s.consumer(s.name, s.name, every, third.take)
	s.until("the next messages", func() bool { return third.count() >= 20 })
	s.told("gone on", fields{"bodies": third.text()})
}

func broadcasting(s *scenario) {
	sender := s.producer()
	s.send(sender, message(s.name, "m0"))
	members := make([]seen, 2)
	for i := range members {
		s.consumer(s.name, s.name, every, members[i].take, consumer.WithConsumerModel(consumer.BroadCasting))
	}
	for i := 1; i < 8; i++ {
		s.send(sender, message(s.name, fmt.Sprintf("m%d", i)))
	}
	for i := range members {
		s.until("all messages", func() bool { return members[i].count() == 8 })
		s.told("came", fields{"to": i, "bodies": members[i].text()})
	}
}

// ordered sends by sharding key to an orderly listener, which fails now and then.
func ordered(s *scenario) {
	const keys, steps = 6, 20
	sender := s.producer(producer.WithQueueSelector(producer.NewHashQueueSelector()))
	queues := map[string]map[int]bool{}
	for step := 0; step < steps; step++ {
		for key := 0; key < keys; key++ {
			name := fmt.Sprintf("key-%d", key)
			sent := s.send(sender, message(s.name, fmt.Sprintf("%d %d", key, step)).WithShardingKey(name))
			if queues[name] == nil {
				queues[name] = map[int]bool{}
			}
			queues[name][sent.MessageQueue.QueueId] = true
		}
	}
	var lock sync.Mutex
	next, failures, disorder := [keys]int{}, map[string]bool{}, []string{}
	s.consumer(s.name, s.name, every, func(got *primitive.MessageExt) consumer.ConsumeResult {
		lock.Lock()
		defer lock.Unlock()
		body := string(got.Body)
		var key, step int
		fmt.Sscan(body, &key, &step)
		if step > next[key] {
			disorder = append(disorder, fmt.Sprintf("%s before %d", body, next[key]))
		}
		if step == next[key] && step%7 == 3 && !failures[body] {
			failures[body] = true
			return consumer.SuspendCurrentQueueAMoment
		}
		if step == next[key] {
			next[key]++
		}
		return consumer.ConsumeSuccess
	}, consumer.WithConsumerOrder(true), consumer.WithSuspendCurrentQueueTimeMillis(100*time.Millisecond), consumer.WithMaxReconsumeTimes(100))
	s.until("all steps", func() bool {
		lock.Lock()
		defer lock.Unlock()
		sum := 0
		for _, step := range next {
			sum += step
		}
		return sum == keys*steps
	})
	lock.Lock()
	defer lock.Unlock()
	queuesMax := 0
	for _, of := range queues {
		if len(of) > queuesMax {
			queuesMax = len(of)
		}
	}
	s.told("order", fields{"disorder": disorder, "failures": len(failures), "queuesOfAKeyMax": queuesMax})
}

// retries fails on a message until it is among the dead letters, which another consumer reads.
func retries(s *scenario) {
	sender := s.producer()
	s.send(sender, message(s.name, "poison").WithTag("T").WithKeys([]string{"k"}))
	s.send(sender, message(s.name, "fine"))
	var lock sync.Mutex
	tries := map[int32]bool{}
	s.consumer(s.name, s.name, every, func(got *primitive.MessageExt) consumer.ConsumeResult {
		if string(got.Body) == "fine" {
			return consumer.ConsumeSuccess
		}
		lock.Lock()
		defer lock.Unlock()
		if !tries[got.ReconsumeTimes] {
			s.told("try", fields{"times": got.ReconsumeTimes, "of": s.number, "retryTopic": got.GetProperty(primitive.PropertyRetryTopic), "tags": got.GetTags()})
		}
		tries[got.ReconsumeTimes] = true
		return consumer.ConsumeRetryLater
	}, consumer.WithMaxReconsumeTimes(2))
	var dead seen
	s.consumer(s.name+"-dead", "%DLQ%"+s.name, every, func(got *primitive.MessageExt) consumer.ConsumeResult {
		if !dead.has(string(got.Body)) {
			s.told("dead", fields{"body": string(got.Body), "topic": got.Topic, "tags": got.GetTags(), "times": got.ReconsumeTimes})
		}
		return dead.take(got)
	})
	s.until("the dead letter", func() bool { return dead.has("poison") })
}

// pull reads queue by queue, then as a member of a group that acknowledges.
func pull(s *scenario) {
	sender := s.producer(producer.WithQueueSelector(producer.NewManualQueueSelector()))
	queue := s.send(sender, on(message(s.name, "m0"), s.broker(), 0)).MessageQueue
	for i := 1; i < 8; i++ {
		s.send(sender, on(message(s.name, fmt.Sprintf("m%d", i)), queue.BrokerName, 0))
	}
	reader := s.pullConsumer(s.name + "-reader")
	for _, one := range []struct {
		what    string
		from    int64
		numbers int
	}{{"some", 2, 3}, {"rest", 5, 32}, {"at the end", 8, 32}, {"behind the end", 20, 32}} {
		result, err := reader.PullFrom(context.Background(), &primitive.MessageQueue{Topic: s.name, BrokerName: queue.BrokerName, QueueId: 0}, one.from, one.numbers)
		must(err)
		bodies := []string{}
		for _, got := range result.GetMessageExts() {
			bodies = append(bodies, string(got.Body))
		}
		s.told(one.what, fields{"status": int(result.Status), "next": result.NextBeginOffset, "min": result.MinOffset, "max": result.MaxOffset, "bodies": bodies})
	}

	polled := func(member rocketmq.PullConsumer, count int) []string {
		bodies := map[string]bool{}
		s.until("the messages of a poll", func() bool {
			request, err := member.Poll(context.Background(), time.Second)
			if err != nil {
				return false
			}
			for _, got := range request.GetMsgList() {
				bodies[string(got.Body)] = true
			}
			member.ACK(context.Background(), request, consumer.ConsumeSuccess)
			return len(bodies) >= count
		})
		all := []string{}
		for body := range bodies {
			all = append(all, body)
		}
		sort.Strings(all)
		return all
	}
	one := s.pullConsumer(s.name)
	s.told("polled", fields{"bodies": polled(one, 8)})
	must(one.PersistOffset(context.Background(), s.name))
	must(one.Shutdown())
	s.send(sender, on(message(s.name, "late"), queue.BrokerName, 0))
	s.told("gone on", fields{"bodies": polled(s.pullConsumer(s.name), 1)})
}

func (s *scenario) pullConsumer(group string) rocketmq.PullConsumer {
	made, err := rocketmq.NewPullConsumer(s.consumerOptions(group)...)
	must(err)
	must(made.Subscribe(s.name, every))
	must(made.Start())
	s.closeWith(func() { made.Shutdown() })
	return made
}

func (s *scenario) broker() string {
	return s.send(s.producer(), message(s.name+"-other", "where")).MessageQueue.BrokerName
}

func on(sent *primitive.Message, broker string, queueId int) *primitive.Message {
	sent.Queue = &primitive.MessageQueue{Topic: sent.Topic, BrokerName: broker, QueueId: queueId}
	return sent
}

// administration makes a topic of three queues, finds it and deletes it.
func administration(s *scenario) {
	manager, err := admin.NewAdmin(admin.WithResolver(s.resolver()))
	must(err)
	s.closeWith(func() { manager.Close() })
	sent := s.send(s.producer(), message(s.name+"-other", "where"))
	id, err := primitive.UnmarshalMsgID([]byte(sent.OffsetMsgID))
	must(err)
	address := fmt.Sprintf("%s:%d", id.Addr, id.Port)
	must(manager.CreateTopic(context.Background(), admin.WithTopicCreate(s.name), admin.WithBrokerAddrCreate(address),
		admin.WithReadQueueNums(3), admin.WithWriteQueueNums(3)))
	isListed := func() bool {
		list, err := manager.FetchAllTopicList(context.Background())
		must(err)
		for _, topic := range list.TopicList {
			if topic == s.name {
				return true
			}
		}
		return false
	}
	s.until("the topic at the name server", isListed)
	queues, err := manager.FetchPublishMessageQueues(context.Background(), s.name)
	must(err)
	s.told("made", fields{"queues": len(queues)})
	member := s.consumer(s.name, s.name, every, func(*primitive.MessageExt) consumer.ConsumeResult { return consumer.ConsumeSuccess })
	groups, err := manager.GetAllSubscriptionGroup(context.Background(), address, 5*time.Second)
	must(err)
	group, isKnown := groups.SubscriptionGroupTable[s.name]
	s.told("group", fields{"isKnown": isKnown, "retryMaxTimes": group.RetryMaxTimes})
	must(member.Shutdown())
	must(manager.DeleteTopic(context.Background(), admin.WithTopicDelete(s.name), admin.WithBrokerAddrDelete(address)))
	s.until("the topic to be gone", func() bool { return !isListed() })
	s.told("deleted", fields{})
}
