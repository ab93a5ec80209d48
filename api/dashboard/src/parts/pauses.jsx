// What is paused, and a way to go on.
import { post, whyNot } from '../api.js';
import { Act, say, Time } from './basics.jsx';
import { Icon } from './icon.jsx';

const names = { all: () => 'Everything', mode: (p) => `Mode ${p.name}`, project: (p) => `Project ${p.name}` };
export const pauseName = (p) => (names[p.what] ?? (() => p.what))(p);
const target = (p) => ({ mode: { mode: p.name }, project: { projectId: p.name } })[p.what] ?? {};

export function Pauses({ paused, me, onChange }) {
    if (paused.length === 0) return null;
    const resume = async (pause) => {
        try {
            await post('/api/queue/resume', target(pause));
            say(`${pauseName(pause)}: resumed.`);
        } catch (refused) {
            say(refused.message, 'bad');
        }
        onChange();
    };
    return (
        <ul class="pauses" aria-label="Pauses">
            {paused.map((p) => (
                <li key={`${p.what} ${p.name}`}>
                    <Icon of="bars" />
                    <span>
                        <strong>{pauseName(p)}</strong> is paused <Time at={p.since} />
                        {p.by && (
                            <>
                                {' '}
                                by <code>{p.by}</code>
                            </>
                        )}
                        {p.reason ? `: ${p.reason}` : ''}
                    </span>
                    {me.operator && (
                        <Act why={whyNot(me)} onClick={() => resume(p)}>
                            Resume
                        </Act>
                    )}
                </li>
            ))}
        </ul>
    );
}
