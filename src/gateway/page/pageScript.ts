/**
 * The script of the payment page, as it is sent: waits for the payment and loads the page again once it is paid, copies the invoice, asks a wallet in
 * the browser. Without it the page works by its links alone.
 *
 * It asks the page's own URL what has become of its own invoice's ticket, by a stream where one gets through, and every two seconds where none does.
 */
export const pageScript = `(() => {
  const $ = (id) => document.getElementById(id);
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const words = document.body.dataset;
  const say = (state) => {
    words.state = state;
    $('state').textContent = words[state];
  };
  const pay = $('pay');
  // Not by loading it again: by the standard that counts as opened by whatever site once led here, and such a one may spend nothing.
  const open = () => {
    const here = location.href;
    // Otherwise a URL with a fragment would only be scrolled to.
    if (location.hash) history.replaceState(null, '', location.search + (location.search ? '&' : '?') + 'paid');
    location.replace(here);
  };
  const take = (state) => {
    if (state === 'paid') {
      say(state);
      open();
    } else if (state === 'over' || state === 'none' || state === 'gone') {
      say(state);
      if (pay) pay.hidden = $('left').hidden = true;
      delete words.pay;
      $('again').textContent = state === 'over' ? words.renew : words.reload;
      $('again').hidden = false;
    } else {
      if (words.state !== 'unsure' || state !== 'open') say(state === 'open' ? 'waiting' : 'unknown');
      // What could not be found out can be now, and then there is something to pay again.
      if (state === 'open' && !pay) location.reload();
      return false;
    }
    return true;
  };
  const wait = async () => {
    let how = 'wait';
    for (;;) {
      const stop = new AbortController();
      const late = setTimeout(() => {
        how = 'state';
        stop.abort();
      }, 5000);
      try {
        const answer = await fetch(location.href, { headers: { 'L402-Page': how + ' ' + words.payment }, cache: 'no-store', signal: stop.signal });
        if (!/event-stream/.test(answer.headers.get('content-type'))) throw 0;
        const reader = answer.body.getReader();
        const decoder = new TextDecoder();
        for (let text = ''; ; ) {
          const { done, value } = await reader.read();
          if (done) break;
          clearTimeout(late);
          text += decoder.decode(value, { stream: true });
          for (let found; (found = /^data: (\\w+)\\n\\n/.exec(text)); text = text.slice(found[0].length)) if (take(found[1])) return;
        }
      } catch {}
      clearTimeout(late);
      await pause(how === 'wait' ? 500 : 2000);
    }
  };
  wait();
  if (!pay) return;
  const invoice = $('invoice');
  $('copy').hidden = false;
  $('check').hidden = true;
  $('copy').onclick = async () => {
    try {
      await navigator.clipboard.writeText(invoice.value);
    } catch {
      invoice.select();
      document.execCommand('copy');
    }
    $('copy').textContent = words.copied;
    await pause(2000);
    $('copy').textContent = words.copy;
  };
  const end = performance.now() + 1000 * words.seconds;
  const count = () => {
    const seconds = Math.max(0, Math.round((end - performance.now()) / 1000));
    const clock = new Intl.NumberFormat(document.documentElement.lang, { minimumIntegerDigits: 2 });
    $('left').textContent = words.left.replace('{time}', Math.floor(seconds / 60).toLocaleString(document.documentElement.lang) + ':' + clock.format(seconds % 60));
    if (seconds > 0) setTimeout(count, 1000);
  };
  count();
  // An element that was called so would itself be what is looked for.
  const own = $('own');
  const offer = () => {
    own.hidden = !window.webln;
  };
  addEventListener('webln:ready', offer);
  addEventListener('load', offer);
  offer();
  own.onclick = async () => {
    own.disabled = true;
    try {
      await window.webln.enable();
      await window.webln.sendPayment(invoice.value);
    } catch {
      say('unsure');
    }
    own.disabled = false;
  };
})();
`;
