// Package mqtt is a client of a broker that speaks MQTT 3.1.1.
//
// In: a connection, messages to be sent, topics to be heard. Out: messages that
// others sent to those topics. Never: a new connection (whoever calls makes
// one); QoS 2; a session that outlives the connection; more of a message in
// memory than was asked for.
//
// The numbers in the comments are the sections of the standard: MQTT Version
// 3.1.1 Plus Errata 01, OASIS, 10 December 2015.
package mqtt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// answerTime is how long a broker may take to answer.
	answerTime = 30 * time.Second
	// writeTime is how long it may take to read.
	writeTime = 10 * time.Second
	// largest is how much is kept of a message where Options.MaxMessage is 0.
	largest = 64 << 10
)

// Options say who connects.
type Options struct {
	ClientID       string // two clients of a broker can't have the same one
	User, Password string // empty: none
	// KeepAlive is after how much silence a sign of life is sent (3.1.2.10); a
	// broker that gets none for half as long again takes the client for dead.
	KeepAlive time.Duration
	// Will is what the broker publishes when the connection ends in any other way
	// than by Disconnect (3.1.2.5). Nil: nothing.
	Will *Message
	// MaxMessage is how many bytes of a packet are kept; 0: 64 KiB.
	MaxMessage int
	// Receive gets the messages, one after the other, on the goroutine that reads:
	// while it works nothing else is read. May be nil.
	Receive func(Message)
}

// Message is what is published to a topic.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte // 0, or 1: confirmed by who gets it
	// Retain makes the broker keep it for who asks later; with an empty payload it
	// forgets what it kept. Of one that was received: it had been kept (3.3.1.3).
	Retain bool
	Cut    bool // it was larger than Options.MaxMessage: this is its beginning
}

// Refused is the error of a broker that doesn't let a client in (3.2.2.3).
type Refused struct {
	Code byte
}

// The codes that are about who asks.
const (
	BadUser       byte = 4
	NotAuthorized byte = 5
)

// Error says why.
func (r *Refused) Error() string {
	switch r.Code {
	case 1:
		return "the broker does not speak MQTT 3.1.1"
	case 2:
		return "the broker refuses the name of this client"
	case 3:
		return "the broker is not ready"
	case BadUser:
		return "the broker does not know this user with this password"
	case NotAuthorized:
		return "the broker does not let this user in"
	}
	return fmt.Sprintf("the broker refuses the connection with code %d", r.Code)
}

// Client is one connection to a broker. Several goroutines may call its methods,
// but for Run, which is called once.
type Client struct {
	options Options
	conn    net.Conn
	reader  *bufio.Reader
	pong    chan struct{}
	ended   chan struct{} // closed when nothing is read any more

	mutex sync.Mutex // guards what follows, and writing
	sent  time.Time  // when something was sent last
	last  uint16     // number that was given to a packet
	waits map[uint16]chan bool
}

// Connect begins a connection (3.1) on one of the network that nobody has used,
// which is closed if the broker refuses: the error is a *[Refused] then.
func Connect(ctx context.Context, conn net.Conn, options Options) (*Client, error) {
	if options.MaxMessage == 0 {
		options.MaxMessage = largest
	}
	c := &Client{
		options: options, conn: conn, reader: bufio.NewReader(conn),
		pong: make(chan struct{}, 1), ended: make(chan struct{}), waits: map[uint16]chan bool{},
	}
	if err := c.greet(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) greet(ctx context.Context) error {
	// A broker that says nothing is given up when ctx ends, too.
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	hello, err := connectPacket(c.options)
	if err == nil {
		err = c.send(hello)
	}
	if err != nil {
		return err
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	answer, err := readPacket(c.reader, c.options.MaxMessage)
	if err != nil {
		return err
	}
	code, err := answer.asConnack()
	switch {
	case err != nil:
		return err
	case code != 0:
		return &Refused{code}
	}
	return c.conn.SetReadDeadline(time.Time{})
}

// errSilent is the end of a connection on which nothing comes any more.
var errSilent = errors.New("the broker gives no answer")

// Run reads, and sends signs of life, until the connection or ctx ends; then it
// closes the connection and says why.
func (c *Client) Run(ctx context.Context) error {
	// Whoever writes to a broker that does not read is not waited for.
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	read := make(chan error, 1)
	go func() {
		defer close(c.ended)
		read <- c.read()
	}()
	err := c.attend(ctx, read)
	c.conn.Close()
	<-c.ended
	return err
}

func (c *Client) attend(ctx context.Context, read <-chan error) error {
	next := time.NewTimer(c.options.KeepAlive)
	defer next.Stop()
	var silence <-chan time.Time
	for {
		select {
		case err := <-read:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-c.pong:
			silence = nil
		case <-silence:
			return errSilent
		case <-next.C:
			if left := c.options.KeepAlive - c.quiet(); left > 0 {
				next.Reset(left)
				continue
			}
			if err := c.send(packet{kind: pingreq}); err != nil {
				return err
			}
			silence = time.After(answerTime)
			next.Reset(c.options.KeepAlive)
		}
	}
}

// quiet is for how long nothing was sent.
func (c *Client) quiet() time.Duration {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return time.Since(c.sent)
}

func (c *Client) read() error {
	for {
		p, err := readPacket(c.reader, c.options.MaxMessage)
		if err != nil {
			return err
		}
		switch p.kind {
		case publish:
			err = c.receive(p)
		case puback, suback:
			err = c.answered(p)
		case pingresp:
			select {
			case c.pong <- struct{}{}:
			default:
			}
		default:
			err = errMalformed
		}
		if err != nil {
			return err
		}
	}
}

func (c *Client) receive(p packet) error {
	m, id, err := p.asPublish()
	if err != nil {
		return err
	}
	if c.options.Receive != nil {
		c.options.Receive(m)
	}
	if m.QoS == 0 {
		return nil
	}
	return c.send(acknowledgement(id))
}

func (c *Client) answered(p packet) error {
	id, refused, err := p.asAnswer()
	if err != nil {
		return err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if waits, ok := c.waits[id]; ok { // or somebody has given up
		delete(c.waits, id)
		waits <- refused
	}
	return nil
}

// Publish sends a message, and with QoS 1 waits until the broker has it. After
// an error the connection is of no use any more.
func (c *Client) Publish(ctx context.Context, m Message) error {
	if m.QoS == 0 {
		p, err := publishPacket(m, 0)
		if err != nil {
			return err
		}
		return c.send(p)
	}
	_, err := c.ask(ctx, func(id uint16) (packet, error) { return publishPacket(m, id) })
	return err
}

// Subscribe asks for the messages of a topic. The broker may not allow it: then
// the connection is as good as before.
func (c *Client) Subscribe(ctx context.Context, topic string) (allowed bool, err error) {
	refused, err := c.ask(ctx, func(id uint16) (packet, error) { return subscribePacket(topic, id) })
	return err == nil && !refused, err
}

// ask sends a packet with a number of its own and waits for the answer.
func (c *Client) ask(ctx context.Context, build func(id uint16) (packet, error)) (refused bool, err error) {
	id, answer := c.number()
	defer c.forget(id)
	p, err := build(id)
	if err != nil {
		return false, err
	}
	if err := c.send(p); err != nil {
		return false, err
	}
	limit := time.NewTimer(answerTime)
	defer limit.Stop()
	select {
	case refused := <-answer:
		return refused, nil
	case <-c.ended:
		return false, net.ErrClosed
	case <-limit.C:
		return false, errSilent
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// number gives a number that no packet under way has (2.3.1).
func (c *Client) number() (uint16, chan bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for {
		c.last++
		if _, taken := c.waits[c.last]; c.last != 0 && !taken {
			answer := make(chan bool, 1)
			c.waits[c.last] = answer
			return c.last, answer
		}
	}
}

func (c *Client) forget(id uint16) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.waits, id)
}

// Disconnect says goodbye, so that the broker does not publish the will (3.14).
// The connection is closed by the end of Run's context.
func (c *Client) Disconnect() error { return c.send(packet{kind: disconnect}) }

func (c *Client) send(p packet) error {
	bytes, err := p.bytes()
	if err != nil {
		return err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	_, err = c.conn.Write(bytes)
	c.sent = time.Now()
	return err
}
