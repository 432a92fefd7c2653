// Command dsse signs and verifies DSSE envelopes by another implementation than Meshproof's own,
// for the test that each reads what the other writes.
//
//	dsse [-keyid own|fingerprint|none] sign KEY.pem TYPE <payload >envelope
//	dsse [-keyid own|fingerprint|none] verify KEY.pub <envelope >payload
//
// -keyid is the id that the key goes by: the one that the library computes, the fingerprint that
// OpenSSH shows, or none.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/secure-systems-lab/go-securesystemslib/signerverifier"
)

func main() {
	keyid := flag.String("keyid", "own", "own, fingerprint or none")
	flag.Parse()
	if err := run(*keyid, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(keyid string, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "sign":
		return sign(keyid, args[1], args[2])
	case len(args) == 2 && args[0] == "verify":
		return verify(keyid, args[1])
	}
	return fmt.Errorf("give: sign KEY TYPE, or verify KEY")
}

func sign(keyid, file, payloadType string) error {
	key, err := load(file, keyid)
	if err != nil {
		return err
	}
	payload, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	signer, err := dsse.NewEnvelopeSigner(key)
	if err != nil {
		return err
	}
	envelope, err := signer.SignPayload(context.Background(), payloadType, payload)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(envelope)
}

func verify(keyid, file string) error {
	key, err := load(file, keyid)
	if err != nil {
		return err
	}
	var envelope dsse.Envelope
	if err := json.NewDecoder(os.Stdin).Decode(&envelope); err != nil {
		return err
	}
	verifier, err := dsse.NewEnvelopeVerifier(key)
	if err != nil {
		return err
	}
	if _, err := verifier.Verify(context.Background(), &envelope); err != nil {
		return err
	}
	payload, err := envelope.DecodeB64Payload()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(payload)
	return err
}

func load(file, keyid string) (*signerverifier.ED25519SignerVerifier, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := signerverifier.LoadKey(pem)
	if err != nil {
		return nil, err
	}
	loaded, err := signerverifier.NewED25519SignerVerifierFromSSLibKey(key)
	if err != nil {
		return nil, err
	}
	switch keyid {
	case "own":
		return loaded, nil
	case "none":
		key.KeyID = ""
	case "fingerprint":
		if key.KeyID, err = dsse.SHA256KeyID(loaded.Public()); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("no such -keyid: %s", keyid)
	}
	return signerverifier.NewED25519SignerVerifierFromSSLibKey(key)
}
