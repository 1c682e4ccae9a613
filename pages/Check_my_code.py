"""Check my code: a student's own functions, checked by what they did; their code is never seen."""

from lessons_lib.files.typed import as_typed
from lessons_lib.ui import page, stage
from lessons_lib.ui.playground import meanwhile

with page.lesson_page("check") as lesson:
    import streamlit as st

    from lessons_lib.files import decoders

    stage.begin()
    page.idea(
        "Your own functions, checked without showing your code to anyone. A script runs them **unchanged** on known pictures, with a "
        "stand-in for the network. Upload the numbers it saved: you learn what agrees and, where something differs, which of the "
        "classic mistakes it is."
    )
    with meanwhile(lesson.slug):
        from lessons_lib.lessons import check
    one, two = st.columns(2, gap="large")
    with one:
        page.section("1. Run the script beside your code")
        st.download_button(
            "check_my_code.py", check.script(), "check_my_code.py", "text/x-python", on_click="ignore", icon=":material/download:"
        )
        st.markdown("Put it beside your notebook or program, and run this below all your functions:")
        st.code("import check_my_code\n\ncheck_my_code.run(globals())", language="python")
        page.caption(
            "It needs torch and numpy, no GPU and no model, and takes seconds. It finds functions by the course's names: yours may "
            "differ, say so in `MINE` at the top of the script."
        )
        with st.expander("What it looks for"):
            st.markdown("\n".join(f"- {title}: {', '.join(f'`{n}`' for n in names)}" for title, names in check.known_names()))
        with st.expander("Read the script"):
            st.code(check.script(), language="python", height=480)
    with two:
        page.section("2. Upload what it saved")
        file = st.file_uploader(
            "my-arrays.npz",
            key="check_arrays",
            help="only numbers are read; no code in the file is ever run",
            max_upload_size=decoders.ARRAYS_MB,
        )
        if file is None:
            page.caption("Nothing uploaded yet. One function is enough: what is missing is no mistake.")
        else:
            verdicts = check.check(file.getvalue())
            page.section("3. The verdict")
            first, found = check.first_wrong(verdicts), check.headline(verdicts)
            page.save.note("text", found)
            page.save.did("checked", found)
            if first is not None:
                st.warning(f"Mend this one first: `{first.function}`", icon=":material/arrow_forward:")
            elif any(v.right for v in verdicts):
                st.success(found, icon=":material/check:")
            else:
                st.info(found, icon=":material/info:")
            if first is not None:
                page.caption(found)
            for v in verdicts:
                if v.state == "missing":
                    continue
                icon = {"right": ":green[:material/check_circle:]", "wrong": ":red[:material/cancel:]"}.get(
                    v.state, ":gray[:material/help:]"
                )
                said = as_typed(v.said) if v.state == "failed" else v.said  # the first is somebody else's words
                page.save.note("text", f"{v.function}: {v.state}. {said}")
                st.markdown(f"{icon} `{v.function}`  \n{said}")
            for part, missing in check.missing(verdicts):
                page.caption(f"Not in the file, of {part}: {', '.join(missing)}.")
    if page.solutions():
        with st.expander("The right formulas"):
            page.equation(
                r"x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\epsilon\qquad"
                r"\hat x_0=\frac{x_t-\sqrt{1-\bar\alpha_t}\,\hat\epsilon}{\sqrt{\bar\alpha_t}}"
            )
            page.equation(
                r"x_{t'}=\frac{\sqrt{\bar\alpha_{t'}}\,\beta}{1-\bar\alpha_t}\hat x_0+\frac{\sqrt{\alpha}\,(1-\bar\alpha_{t'})}"
                r"{1-\bar\alpha_t}x_t+v_\sigma\qquad\alpha=\frac{\bar\alpha_t}{\bar\alpha_{t'}},\quad\beta=1-\alpha"
            )
            page.equation(
                r"\epsilon=\epsilon_u+\gamma\,(\epsilon_c-\epsilon_u)\qquad x_{t'}\leftarrow m\,x_{t'}+(1-m)\,x^{orig}_{t'}"
            )
            page.equation(r"x_t=(1-t)\,x_0+t\,x_1\qquad u=x_1-x_0\qquad x_{t+1/n}=x_t+u/n")
