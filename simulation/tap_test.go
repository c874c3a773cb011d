package simulation

import (
	"context"
	"path"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// message is one message on a wire that somebody sits on.
type message struct {
	ctx    context.Context // of its call
	node   string          // the server of the call
	method string          // Prepare, Open, …
	inward bool            // to the server; else from it
	at     int             // its position, from 0, among the call's messages of its direction
	body   proto.Message
}

// direction of messages, seen from the server of the call.
const (
	to   = true
	from = false
)

// verdict says what goes on in a message's place. An error ends the call.
type verdict func(m message) ([]proto.Message, error)

// tap lets tests see and change the messages of a wire. Safe for concurrent use.
type tap struct {
	mu    sync.Mutex
	rules []*rule

	hasty atomic.Bool // calls with one reply have it when it arrives, though how they end is not known yet
}

type rule struct {
	node, method string // "" for all
	inward       bool
	decide       verdict
	fired        atomic.Int64
}

// on makes decide rule over the messages to or from a node's method ("" for any). It returns how many it has ruled over so
// far; those that it let pass unchanged count too.
func (t *tap) on(inward bool, node, method string, decide verdict) (fired func() int) {
	r := &rule{node: node, method: method, inward: inward, decide: decide}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rules = append(t.rules, r)
	return func() int { return int(r.fired.Load()) }
}

// clear takes all rules back.
func (t *tap) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rules = nil
}

// pass returns what the rules, one after the other, make of a message.
func (t *tap) pass(m message) ([]proto.Message, error) {
	t.mu.Lock()
	rules := slices.Clone(t.rules)
	t.mu.Unlock()
	out := []proto.Message{m.body}
	for _, r := range rules {
		if r.inward != m.inward || r.node != "" && r.node != m.node || r.method != "" && r.method != m.method {
			continue
		}
		var changed []proto.Message
		for _, body := range out {
			one := m
			one.body = body
			r.fired.Add(1)
			more, err := r.decide(one)
			if err != nil {
				return nil, err
			}
			changed = append(changed, more...)
		}
		out = changed
	}
	return out, nil
}

// wire is a connection with a tap on it.
type wire struct {
	grpc.ClientConnInterface
	node string
	tap  *tap
}

func (w *wire) Invoke(ctx context.Context, method string, request, reply any, options ...grpc.CallOption) error {
	m := message{ctx: ctx, node: w.node, method: path.Base(method), inward: true, body: request.(proto.Message)}
	out, err := w.tap.pass(m)
	if err != nil {
		return err
	}
	if err := w.ClientConnInterface.Invoke(ctx, method, out[0], reply, options...); err != nil {
		return err
	}
	m.inward, m.body = from, reply.(proto.Message)
	return w.tap.replace(m)
}

// replace does what the rules say in place, for calls with one message in that direction.
func (t *tap) replace(m message) error {
	out, err := t.pass(m)
	if err == nil && out[0] != m.body {
		changed := proto.Clone(out[0])
		proto.Reset(m.body)
		proto.Merge(m.body, changed)
	}
	return err
}

func (w *wire) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	if w.tap.hasty.Load() {
		desc = &grpc.StreamDesc{StreamName: desc.StreamName, ClientStreams: true, ServerStreams: true}
	}
	stream, err := w.ClientConnInterface.NewStream(ctx, desc, method, options...)
	if err != nil {
		return nil, err
	}
	return &wireStream{ClientStream: stream, lane: lane{w.tap, message{ctx: ctx, node: w.node, method: path.Base(method)}, 0, 0, nil}}, nil
}

// lane is one call's two directions.
type lane struct {
	tap       *tap
	of        message
	sent, got int
	pending   []proto.Message // received and not yet handed on
}

func (l *lane) send(inward bool, body any, send func(any) error) error {
	m := l.of
	m.inward, m.at, m.body = inward, l.sent, body.(proto.Message)
	l.sent++
	out, err := l.tap.pass(m)
	if err != nil {
		return err
	}
	for _, o := range out {
		if err := send(o); err != nil {
			return err
		}
	}
	return nil
}

func (l *lane) receive(inward bool, into any, receive func(any) error) error {
	body := into.(proto.Message)
	for len(l.pending) == 0 {
		if err := receive(into); err != nil {
			return err
		}
		m := l.of
		m.inward, m.at, m.body = inward, l.got, body
		l.got++
		out, err := l.tap.pass(m)
		if err != nil {
			return err
		}
		if len(out) == 1 && out[0] == body {
			return nil
		}
		for _, o := range out {
			l.pending = append(l.pending, proto.Clone(o))
		}
	}
	proto.Reset(body)
	proto.Merge(body, l.pending[0])
	l.pending = l.pending[1:]
	return nil
}

type wireStream struct {
	grpc.ClientStream
	lane
}

func (s *wireStream) SendMsg(m any) error { return s.send(to, m, s.ClientStream.SendMsg) }
func (s *wireStream) RecvMsg(m any) error { return s.receive(from, m, s.ClientStream.RecvMsg) }

// served returns interceptors that put the tap between a server and its calls, behind what the server's own do.
func (t *tap) served(node string) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			m := message{ctx: ctx, node: node, method: path.Base(info.FullMethod), inward: true, body: request.(proto.Message)}
			if err := t.replace(m); err != nil {
				return nil, err
			}
			reply, err := handler(ctx, request)
			if err != nil {
				return nil, err
			}
			m.inward, m.body = from, proto.Clone(reply.(proto.Message))
			return m.body, t.replace(m)
		}),
		grpc.ChainStreamInterceptor(func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			m := message{ctx: stream.Context(), node: node, method: path.Base(info.FullMethod)}
			return handler(server, &servedStream{stream, lane{t, m, 0, 0, nil}})
		}),
	}
}

type servedStream struct {
	grpc.ServerStream
	lane
}

func (s *servedStream) SendMsg(m any) error { return s.send(from, m, s.ServerStream.SendMsg) }
func (s *servedStream) RecvMsg(m any) error { return s.receive(to, m, s.ServerStream.RecvMsg) }

// as returns a verdict that lets change work on a copy of every message.
func as[M proto.Message](change func(m M)) verdict {
	return func(m message) ([]proto.Message, error) {
		body := proto.Clone(m.body).(M)
		change(body)
		return []proto.Message{body}, nil
	}
}

// watching returns a verdict that only looks, or waits, or does something else meanwhile.
func watching(look func(m message)) verdict {
	return func(m message) ([]proto.Message, error) {
		look(m)
		return []proto.Message{m.body}, nil
	}
}
