package mqtt

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// The types of paho.mqtt.golang that hold values or describe behaviour: its documentation holds for them.
type (
	// Client is paho's interface; NewClient returns one.
	Client = paho.Client
	// ClientOptions are paho's options, with their setters.
	ClientOptions = paho.ClientOptions
	// ClientOptionsReader reads the options of a client.
	ClientOptionsReader = paho.ClientOptionsReader
	// Token is what every operation returns.
	Token = paho.Token
	// TokenErrorSetter is paho's.
	TokenErrorSetter = paho.TokenErrorSetter
	// Message is a received message.
	Message = paho.Message
	// MessageHandler gets received messages.
	MessageHandler = paho.MessageHandler
	// ConnectionLostHandler hears of a connection that ended without Disconnect.
	ConnectionLostHandler = paho.ConnectionLostHandler
	// OnConnectHandler hears of every connection.
	OnConnectHandler = paho.OnConnectHandler
	// ReconnectHandler is called before every attempt to reconnect.
	ReconnectHandler = paho.ReconnectHandler
	// ConnectionAttemptHandler is called before a broker is dialled, and returns the TLS configuration for it.
	ConnectionAttemptHandler = paho.ConnectionAttemptHandler
	// OpenConnectionFunc makes the transport to a broker.
	OpenConnectionFunc = paho.OpenConnectionFunc
	// CredentialsProvider returns user name and password for an attempt to connect.
	CredentialsProvider = paho.CredentialsProvider
	// WebsocketOptions are the sizes and the proxy of websockets.
	WebsocketOptions = paho.WebsocketOptions
	// ProxyFunction returns the proxy for a websocket's request.
	ProxyFunction = paho.ProxyFunction

	// ConnectionNotification is an event of the life of a connection.
	ConnectionNotification = paho.ConnectionNotification
	// ConnectionNotificationType says which.
	ConnectionNotificationType = paho.ConnectionNotificationType
	// ConnectionNotificationHandler gets the events.
	ConnectionNotificationHandler = paho.ConnectionNotificationHandler
	// ConnectionNotificationConnected: a broker has accepted the connection.
	ConnectionNotificationConnected = paho.ConnectionNotificationConnected
	// ConnectionNotificationConnecting: an attempt begins.
	ConnectionNotificationConnecting = paho.ConnectionNotificationConnecting
	// ConnectionNotificationFailed: no broker has accepted the connection.
	ConnectionNotificationFailed = paho.ConnectionNotificationFailed
	// ConnectionNotificationLost: the connection has ended.
	ConnectionNotificationLost = paho.ConnectionNotificationLost
	// ConnectionNotificationBroker: a broker is dialled.
	ConnectionNotificationBroker = paho.ConnectionNotificationBroker
	// ConnectionNotificationBrokerFailed: a broker could not be reached.
	ConnectionNotificationBrokerFailed = paho.ConnectionNotificationBrokerFailed

	// Store keeps messages that are not settled.
	Store = paho.Store
	// FileStore is a Store in a directory.
	FileStore = paho.FileStore
	// MemoryStore is a Store in memory.
	MemoryStore = paho.MemoryStore
	// OrderedMemoryStore is a MemoryStore that keeps the order.
	OrderedMemoryStore = paho.OrderedMemoryStore

	// Logger is what the four loggers are.
	Logger = paho.Logger
	// NOOPLogger logs nothing.
	NOOPLogger = paho.NOOPLogger

	// MId is a message id.
	MId = paho.MId
	// PacketAndToken is paho's.
	PacketAndToken = paho.PacketAndToken
	// DummyToken is paho's.
	DummyToken = paho.DummyToken
	// PlaceHolderToken is paho's.
	PlaceHolderToken = paho.PlaceHolderToken
)

// The types of ConnectionNotification.
const (
	ConnectionNotificationTypeConnected    = paho.ConnectionNotificationTypeConnected
	ConnectionNotificationTypeConnecting   = paho.ConnectionNotificationTypeConnecting
	ConnectionNotificationTypeFailed       = paho.ConnectionNotificationTypeFailed
	ConnectionNotificationTypeLost         = paho.ConnectionNotificationTypeLost
	ConnectionNotificationTypeBroker       = paho.ConnectionNotificationTypeBroker
	ConnectionNotificationTypeBrokerFailed = paho.ConnectionNotificationTypeBrokerFailed
)

// The names of components in log lines.
const (
	NET = paho.NET
	PNG = paho.PNG
	CLI = paho.CLI
	DEC = paho.DEC
	MES = paho.MES
	STR = paho.STR
	MID = paho.MID
	TST = paho.TST
	STA = paho.STA
	ERR = paho.ERR
	ROU = paho.ROU
)

// paho's own error values: a comparison with them holds on both sides of the move.
var (
	// ErrInvalidQos: the QoS is none.
	ErrInvalidQos = paho.ErrInvalidQos
	// ErrInvalidTopicEmptyString: the filter is empty.
	ErrInvalidTopicEmptyString = paho.ErrInvalidTopicEmptyString
	// ErrInvalidTopicMultilevel: # is not the last level of the filter.
	ErrInvalidTopicMultilevel = paho.ErrInvalidTopicMultilevel
	// ErrNotConnected: the client is not connected and is not connecting by itself.
	ErrNotConnected = paho.ErrNotConnected
	// TimedOut is the error of WaitTokenTimeout.
	TimedOut = paho.TimedOut
)

// NewClientOptions returns options with paho's defaults.
func NewClientOptions() *ClientOptions { return paho.NewClientOptions() }

// NewOptionsReader returns a reader of o.
func NewOptionsReader(o *ClientOptions) ClientOptionsReader { return paho.NewOptionsReader(o) }

// NewFileStore returns a Store in a directory. Both engines read what the other has written there.
func NewFileStore(directory string) *FileStore { return paho.NewFileStore(directory) }

// NewMemoryStore returns a Store in memory, without an order.
func NewMemoryStore() *MemoryStore { return paho.NewMemoryStore() }

// NewOrderedMemoryStore returns a Store in memory that keeps the order.
func NewOrderedMemoryStore() *OrderedMemoryStore { return paho.NewOrderedMemoryStore() }

// NewWebsocket makes a websocket connection, as the schemes ws and wss do.
func NewWebsocket(host string, tlsc *tls.Config, timeout time.Duration, requestHeader http.Header, options *WebsocketOptions) (net.Conn, error) {
	return paho.NewWebsocket(host, tlsc, timeout, requestHeader, options)
}

// ConnectMQTT does the handshake of MQTT 3.1 or 3.1.1 on a connection and returns the return code and whether there was a session.
func ConnectMQTT(conn net.Conn, cm *packets.ConnectPacket, protocolVersion uint) (byte, bool) {
	return paho.ConnectMQTT(conn, cm, protocolVersion)
}

// WaitTokenTimeout waits for t and returns its error, or TimedOut after d.
func WaitTokenTimeout(t Token, d time.Duration) error { return paho.WaitTokenTimeout(t, d) }

// DefaultConnectionLostHandler writes the reason to DEBUG.
func DefaultConnectionLostHandler(client Client, reason error) {
	DEBUG.Println("Connection lost:", reason.Error())
}
