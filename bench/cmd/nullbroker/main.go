// Command nullbroker is the sink and source of the measurements (see
// internal/nullbroker). It prints one JSON line with the addresses it listens
// on and serves until it is interrupted; with -eof it also ends when its
// standard input does, so that it cannot outlive the program that started it.
//
//	nullbroker [-tcp 127.0.0.1:0] [-tls 127.0.0.1:0 -ca FILE] [-eof]
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/portage-iot/awsiot/bench/internal/nullbroker"
)

// addresses is the line on standard output.
type addresses struct {
	TCP string `json:"tcp"`
	TLS string `json:"tls,omitempty"`
	CA  string `json:"ca,omitempty"`
}

func main() {
	tcp := flag.String("tcp", "127.0.0.1:0", "plain TCP listen address; port 0 picks a free one")
	tlsAddr := flag.String("tls", "", "TLS 1.3 listen address; empty for none")
	ca := flag.String("ca", "", "file for the certificate that clients have to trust (with -tls)")
	eof := flag.Bool("eof", false, "end when standard input ends")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *tcp, *tlsAddr, *ca, *eof); err != nil {
		fmt.Fprintln(os.Stderr, "nullbroker:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, tcp, tlsAddr, ca string, eof bool) error {
	if (tlsAddr == "") != (ca == "") {
		return errors.New("-tls and -ca go together")
	}
	l, err := net.Listen("tcp", tcp)
	if err != nil {
		return err
	}
	listeners := []net.Listener{l}
	at := addresses{TCP: l.Addr().String(), CA: ca}
	if tlsAddr != "" {
		cfg, pem, err := nullbroker.SelfSigned()
		if err != nil {
			return err
		}
		if err := os.WriteFile(ca, pem, 0o644); err != nil {
			return err
		}
		tl, err := tls.Listen("tcp", tlsAddr, cfg)
		if err != nil {
			return err
		}
		listeners = append(listeners, tl)
		at.TLS = tl.Addr().String()
	}
	var b nullbroker.Broker
	end := make(chan error, len(listeners)+1)
	for _, l := range listeners {
		go func() { end <- b.Serve(l) }()
	}
	if eof {
		go func() {
			_, err := io.Copy(io.Discard, os.Stdin)
			end <- err
		}()
	}
	if err := json.NewEncoder(os.Stdout).Encode(at); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-end:
	}
	return errors.Join(err, b.Close())
}
