// Receive images and states from the server, and connect again when the connection ends.

const RETRY = [500, 1000, 2000, 4000];
const CLOCK_PERIOD = 3000;

export class Stream {
  // handlers: onPacket(record, jpeg) returns a promise that is kept when the image is drawn;
  // onTopic(topic, content); onConnection(isConnected).
  constructor(handlers) {
    this.handlers = handlers;
    this.attempts = 0;
    this.offset = 0; // Seconds that the clock of the server is ahead of that of the browser.
    this.delays = [];
    this.skipped = 0;
    this.open();
    setInterval(() => this.askTime(), CLOCK_PERIOD);
  }

  // Seconds since 1970 by the clock of the server.
  now() {
    return (performance.timeOrigin + performance.now()) / 1000 + this.offset;
  }

  open() {
    const address = new URL('stream', location.href);
    address.protocol = address.protocol.replace('http', 'ws');
    const socket = new WebSocket(address);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.attempts = 0;
      this.delays = [];
      this.askTime();
      this.handlers.onConnection(true);
    };
    socket.onmessage = (event) => this.receive(socket, event.data);
    socket.onclose = () => {
      this.handlers.onConnection(false);
      const delay = RETRY[Math.min(this.attempts, RETRY.length - 1)];
      this.attempts += 1;
      setTimeout(() => this.open(), delay);
    };
    this.socket = socket;
  }

  askTime() {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.asked = performance.now();
    this.socket.send('time');
  }

  // The fastest of the last responses shows the offset of the clocks best.
  takeTime({ time, skipped }) {
    const received = performance.now();
    const delay = (received - this.asked) / 1000;
    const offset = time + delay / 2 - (performance.timeOrigin + received) / 1000;
    this.delays = [...this.delays.slice(-9), { delay, offset }];
    this.offset = this.delays.reduce((a, b) => (a.delay < b.delay ? a : b)).offset;
    this.skipped = skipped;
  }

  async receive(socket, data) {
    if (typeof data === 'string') {
      const { topic, content } = JSON.parse(data);
      if (topic === 'time') this.takeTime(content);
      else this.handlers.onTopic(topic, content);
      return;
    }
    const length = new DataView(data).getUint32(0, true);
    const record = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const jpeg = data.byteLength > 4 + length
      ? new Blob([new Uint8Array(data, 4 + length)], { type: 'image/jpeg' })
      : null;
    try {
      await this.handlers.onPacket(record, jpeg);
    } finally {
      // Also of an image that cannot be drawn: without it, no more would come.
      if (socket.readyState === WebSocket.OPEN) socket.send('drawn');
    }
  }
}
